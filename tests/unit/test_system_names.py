"""Names to oids and back, and how long computed rows are kept, without a server."""

from dataclasses import replace
from functools import partial
from typing import Any

import msgspec
import pytest

from server.catalog import names, store
from server.catalog.descriptor import Catalog
from server.catalog.information import size_pretty
from server.catalog.system import find_relation
from server.catalog.system_relation import KEPT, RELATIONS, SystemRelation
from server.catalog.system_text import default_text, index_definition, key_definition
from server.errors import PgError
from server.sql import types
from server.sql.env import Env
from tests.binding import CATALOG, T, U


class SampleEnv(Env):
    """What the catalog's functions see of a session."""

    def __init__(
        self, catalog: Catalog = CATALOG, user: str = "admin", path: tuple[str, ...] = ("public",)
    ) -> None:
        super().__init__(reg_input=partial(names.reg_input, self), reg_output=partial(names.reg_output, self))
        self.catalog, self.user, self.database, self.search_path = catalog, user, "postgres", path


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a", ("a",)),
        ("A.b", ("a", "b")),
        ('"A"."b""c"', ("A", 'b"c')),
        (' a . "b" ', ("a", "b")),
    ],
)
def test_names_are_folded_and_unquoted(text: str, parts: tuple[str, ...]) -> None:
    assert names.split_name(text) == parts


@pytest.mark.parametrize("text", ["", "a.", ".a", "a..b", '"a', "a b", '"a"b', '""'])
def test_bad_names(text: str) -> None:
    with pytest.raises(PgError) as raised:
        names.split_name(text)
    assert (raised.value.sqlstate, raised.value.message) == ("42602", "invalid name syntax")


def test_a_relation_is_qualified_where_the_path_does_not_find_it() -> None:
    first, second = SampleEnv(), SampleEnv(path=("other", "public"))
    regclass = types.REGCLASS
    assert regclass.output(16400, first) == "t"
    assert regclass.output(16440, first) == "other.t"
    assert regclass.output(16400, second) == "public.t"
    assert regclass.output(16440, second) == "t"
    assert regclass.input("t", -1, second) == 16440
    assert regclass.input("t_pkey", -1, first) == 16401


def test_pg_catalog_comes_first_unless_the_path_names_it() -> None:
    assert names.search_path(SampleEnv(path=("public",))) == ("pg_catalog", "public")
    assert names.search_path(SampleEnv(path=("public", "pg_catalog"))) == ("public", "pg_catalog")
    hidden = store.make(
        1,
        1,
        20000,
        {1: msgspec.structs.replace(T, name="pg_class")},
        dict(CATALOG.schemas),
        dict(CATALOG.roles),
    )
    assert names.find_relation(SampleEnv(hidden), ("pg_class",)) == 1259
    assert names.find_relation(SampleEnv(hidden, path=("public", "pg_catalog")), ("pg_class",)) == T.oid


@pytest.mark.parametrize(
    ("kind", "text", "oid", "shown"),
    [
        ("regtype", "int", 23, "integer"),
        ("regtype", "character varying(20)[]", 1015, "character varying[]"),
        ("regproc", "now", 1299, "now"),
        ("regprocedure", "lower(text)", 870, "lower(text)"),
        ("regoperator", "+(integer,integer)", 551, "+(integer,integer)"),
        ("regcollation", '"C"', 950, '"C"'),
        ("regnamespace", "other", 16439, "other"),
        ("regnamespace", "pg_catalog", 11, "pg_catalog"),
        ("regrole", "admin", 10, "admin"),
    ],
)
def test_names_there_and_back(kind: str, text: str, oid: int, shown: str) -> None:
    env = SampleEnv()
    assert types.BY_NAME[kind].input(text, -1, env) == oid
    assert types.BY_NAME[kind].output(oid, env) == shown


@pytest.mark.parametrize("kind", sorted(names.OUTPUTS))
def test_numbers_without_an_object_stay_numbers(kind: str) -> None:
    env = SampleEnv()
    assert types.BY_NAME[kind].output(3_999_999_999, env) == "3999999999"
    assert types.BY_NAME[kind].output(0, env) == "-"
    assert types.BY_NAME[kind].input("3999999999", -1, env) == 3_999_999_999


def _counted(scope: str) -> tuple[SystemRelation, list[str]]:
    calls: list[str] = []

    def producer(env: Any) -> list[dict[str, Any]]:
        calls.append(env.user)
        return [{"relname": "x"}]

    made = RELATIONS["pg_catalog", "pg_class"]
    return replace(made, scope=scope, producer=producer, _kept={}), calls


def test_rows_are_made_once_per_catalog() -> None:
    relation, calls = _counted("catalog")
    other = SampleEnv(msgspec.structs.replace(CATALOG, version=2), user="someone")
    for _ in range(3):
        relation.rows(SampleEnv())
        relation.rows(SampleEnv(user="someone"))
        relation.rows(other)
    assert len(calls) == 2


def test_rows_of_a_user_are_not_shown_to_another() -> None:
    relation, calls = _counted("user")
    for _ in range(3):
        relation.rows(SampleEnv())
        relation.rows(SampleEnv(user="someone"))
    assert calls == ["admin", "someone"]


def test_rows_of_old_catalogs_are_forgotten() -> None:
    relation, _ = _counted("catalog")
    for version in range(KEPT * 3):
        relation.rows(SampleEnv(msgspec.structs.replace(CATALOG, version=version)))
    assert len(relation._kept) == KEPT


def test_sessions_are_never_kept() -> None:
    relation, calls = _counted("none")
    relation.rows(SampleEnv())
    relation.rows(SampleEnv())
    assert len(calls) == 2


def test_what_is_left_out_is_null_or_empty() -> None:
    relation, _ = _counted("none")
    row = dict(zip((column.name for column in relation.columns), relation.rows(SampleEnv())[0], strict=True))
    assert row["relname"] == "x"
    assert (row["relacl"], row["reloptions"], row["relpartbound"]) == (None, None, None)
    assert (row["oid"], row["relhasindex"], row["relkind"], row["reltuples"]) == (0, False, "", 0)


def test_every_producer_names_columns_that_exist() -> None:
    env = SampleEnv()
    of_sessions = {"pg_stat_activity", "pg_prepared_statements", "jobs", "pg_settings"}
    for relation in RELATIONS.values():
        if relation.producer is None or relation.scope == "node" or relation.name in of_sessions:
            continue
        known = {column.name for column in relation.columns}
        for values in relation.producer(env):
            assert values.keys() <= known, (relation.name, values.keys() - known)


def test_every_value_can_be_printed_as_its_type() -> None:
    env = SampleEnv()
    for name in (
        "pg_class",
        "pg_attribute",
        "pg_index",
        "pg_constraint",
        "pg_type",
        "pg_proc",
        "pg_operator",
        "pg_am",
    ):
        relation = RELATIONS["pg_catalog", name]
        for row in relation.rows(env):
            for column, value in zip(relation.columns, row, strict=True):
                if value is not None:
                    column.type.output(value, env)


def test_unknown_relations() -> None:
    assert find_relation("pg_catalog", "nope") is None
    assert find_relation("information_schema", "pg_class") is None


def test_definitions() -> None:
    assert T.primary_key is not None
    assert key_definition(T, T.primary_key) == "PRIMARY KEY (id)"
    assert key_definition(U, U.indexes[0]) == "UNIQUE (name)"
    first = msgspec.structs.replace(U.indexes[0], nulls_not_distinct=True, include=(8,))
    assert key_definition(U, first) == "UNIQUE NULLS NOT DISTINCT (name) INCLUDE (s)"
    assert index_definition(CATALOG, U, first, qualified=False) == (
        "CREATE UNIQUE INDEX u_name_key ON u USING btree_index (name) INCLUDE (s) NULLS NOT DISTINCT"
    )
    assert default_text(CATALOG, T, 6) == "'x'::character varying"
    assert default_text(CATALOG, T, 1) is None


def test_dropped_columns_keep_their_number() -> None:
    columns = (T.columns[0], msgspec.structs.replace(T.columns[1], dropped=True), *T.columns[2:])
    table = msgspec.structs.replace(T, columns=columns)
    catalog = store.make(1, 1, 20000, {T.oid: table}, dict(CATALOG.schemas), dict(CATALOG.roles))
    relation = RELATIONS["pg_catalog", "pg_attribute"]
    place = {column.name: number for number, column in enumerate(relation.columns)}
    rows = [row for row in relation.rows(SampleEnv(catalog)) if row[place["attrelid"]] == T.oid]
    dropped = rows[1]
    assert dropped[place["attname"]] == "........pg.dropped.2........"
    assert (dropped[place["attnum"]], dropped[place["atttypid"]], dropped[place["attisdropped"]]) == (
        2,
        0,
        True,
    )
    assert table.primary_key is not None
    assert "(id) INCLUDE (b, c" in index_definition(catalog, table, table.primary_key, qualified=False)


def test_building_and_invalid_indexes_are_not_valid() -> None:
    relation = RELATIONS["pg_catalog", "pg_index"]
    place = {column.name: number for number, column in enumerate(relation.columns)}
    for state, valid in (("valid", True), ("building", False), ("invalid", False)):
        table = msgspec.structs.replace(U, indexes=(msgspec.structs.replace(U.indexes[0], state=state),))
        catalog = store.make(1, 1, 20000, {U.oid: table}, dict(CATALOG.schemas), dict(CATALOG.roles))
        rows = {row[place["indexrelid"]]: row for row in relation.rows(SampleEnv(catalog))}
        assert rows[U.indexes[0].oid][place["indisvalid"]] is valid


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 bytes"), (10239, "10239 bytes"), (10240, "10 kB"), (-10240, "-10 kB")]
)
def test_sizes(size: int, text: str) -> None:
    assert size_pretty(size) == text
