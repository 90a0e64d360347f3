"""The questions with which drivers and frameworks look at a schema get PostgreSQL's answers."""

import asyncio
from pathlib import Path

import asyncpg
import pytest

from tests.catalog_sample import Both
from tests.catalog_sample import both as both
from tests.server import Answer, Wire

pytestmark = pytest.mark.slow

OID, BTREE = 26, (("btree_index", "btree"), ("btree_table", "heap"))


def _blocks() -> dict[str, str]:
    text = (Path(__file__).parent / "system_clients.sql").read_text()
    blocks = (block.split("\n", 1) for block in text.split("\n-- ")[1:])
    return {name.strip(): query.strip() for name, query in blocks}


QUERIES = _blocks()


def _rows(answer: Answer) -> list[tuple[str, ...]]:
    """Rows without what differs by nature: oids, the names of access methods, the order."""
    found = []
    for row in answer.rows:
        values = ["" if oid == OID else repr(value) for value, oid in zip(row, answer.oids, strict=True)]
        for ours, theirs in BTREE:
            values = [value.replace(ours, theirs) for value in values]
        found.append(tuple(values))
    return sorted(found)


def _answer(dsn: str, query: str) -> Answer:
    wire = Wire(dsn)
    try:
        return wire.simple(query)[0]
    finally:
        wire.close()


@pytest.mark.parametrize("name", QUERIES)
def test_a_question_has_the_same_answer(both: Both, name: str) -> None:
    ours, theirs = _answer(both.ours, QUERIES[name]), _answer(both.theirs, QUERIES[name])
    assert ours.message == theirs.message == ""
    assert (ours.columns, ours.oids) == (theirs.columns, theirs.oids)
    assert (_rows(ours) == _rows(theirs)) != ("rows differ" in name)


def test_asyncpg_learns_types_that_it_does_not_know(both: Both) -> None:
    """The first value of such a type makes it run its recursive query over pg_type."""

    async def ask() -> list[object]:
        host, port = both.ours.split()[:2]
        connection = await asyncpg.connect(
            host=host.split("=")[1], port=int(port.split("=")[1]), user="admin", database="postgres"
        )
        try:
            await connection.set_type_codec("jsonb", schema="pg_catalog", encoder=str, decoder=len)
            row = await connection.fetchrow(
                "SELECT relacl, 't'::regclass, 'int4'::regtype, '{\"a\": 1}'::jsonb FROM pg_class WHERE relname = 't'"
            )
            return list(row)
        finally:
            await connection.close()

    acl = ["admin=arwdDxt/admin", "reader=ar/admin"]
    assert asyncio.run(ask()) == [acl, "t", "integer", 8]
