"""EXPLAIN: the plan, with ANALYZE after running it and measuring each operator (dsql-reference §1.9)."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import time
from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Any

from server.errors import PgError
from server.session import observing, planning, preparing
from server.session.portal import Portal, rest
from server.session.prepared import Prepared
from server.session.transaction import Transaction
from server.session.work import Slice, Wait
from server.sql import ast, refusals
from server.sql.bind import MOST_PARAMS
from server.sql.context import Context
from server.sql.explain_tree import Meter, Options, as_json, measure, shown, text_lines
from server.sql.types import Type

if TYPE_CHECKING:
    from server.session.session import SqlSession

SLICE_S = 0.001
_BOOLEANS = ("analyze", "verbose", "costs", "settings", "buffers", "wal", "timing", "summary", "generic_plan")
_TRUE, _FALSE = ("true", "on", "1", "yes"), ("false", "off", "0", "no")
_POSITION = re.compile(r"\bat=-?\d+")
COMPUTE_DPU_PER_S = 1.0
READ_MINIMUM, READ_FLOOR_BYTES = 0.00375, 2048
WRITE_MINIMUM, WRITE_FLOOR_BYTES = 0.05, 1024
"""What AWS charges a transaction at least, and the bytes that this pays for (dsql-reference §1.9)."""

Steps = Generator[Slice | Wait[object], None, None]


def is_json(statement: ast.ExplainStmt) -> bool:
    """Whether the plan is asked for as JSON."""
    return any(name.lower() == "format" and str(value).lower() == "json" for name, value in statement.options)


def read_options(statement: ast.ExplainStmt) -> dict[str, bool]:
    """EXPLAIN's options as booleans; PgError 42601, 22023, 0A000."""
    found: dict[str, bool] = {}
    for name, value in statement.options:
        name = name.lower()
        if name == "format":
            if str(value).lower() not in ("text", "json"):
                raise refusals.EXPLAIN_FORMAT.error(str(value).upper())
            continue
        if name not in _BOOLEANS:
            raise PgError("42601", f'unrecognized EXPLAIN option "{name}"')
        word = "true" if value is None or value is True else str(value).lower()
        if word not in (*_TRUE, *_FALSE):
            raise PgError("42601", f"{name} requires a Boolean value")
        found[name] = word in _TRUE
    if found.get("generic_plan") and found.get("analyze"):
        raise PgError("22023", "EXPLAIN options ANALYZE and GENERIC_PLAN cannot be used together")
    for name in ("wal", "timing"):
        if found.get(name) and not found.get("analyze"):
            raise PgError("22023", f"EXPLAIN option {name.upper()} requires ANALYZE")
    return found


class _CountedReads:
    """A transaction whose reads are counted in bytes."""

    def __init__(self, txn: Transaction) -> None:
        self._txn = txn
        self.read = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._txn, name)

    def get(self, key: bytes) -> bytes | None:
        found = self._txn.get(key)
        self.read += len(found or b"")
        return found

    def get_many(self, keys: Sequence[bytes]) -> Sequence[bytes | None]:
        found = self._txn.get_many(keys)
        self.read += sum(len(value) for value in found if value is not None)
        return found

    def scan_pushed(self, lo: bytes, hi: bytes, limit: int, reverse: bool, pushed: bytes) -> Any:
        found = self._txn.scan_pushed(lo, hi, limit, reverse, pushed)
        self.read += sum(len(value) for _key, value in found[0])
        return found

    def scan(self, lo: bytes, hi: bytes, limit: int = 256, reverse: bool = False) -> Any:
        found = self._txn.scan(lo, hi, limit, reverse)
        self.read += sum(map(len, found[0]))
        return found

    def scan_items(self, lo: bytes, hi: bytes, limit: int = 256, reverse: bool = False) -> Any:
        found = self._txn.scan_items(lo, hi, limit, reverse)
        self.read += sum(len(value) for _key, value in found[0])
        return found


def explain(
    session: SqlSession, parsed: ast.ParsedStatement, txn: Transaction, portal: Portal | None
) -> Generator[Slice | Wait[object], None, list[str]]:
    """The lines of EXPLAIN; with ANALYZE the statement runs, and its effects stay. Raises PgError."""
    statement = parsed.statement
    assert isinstance(statement, ast.ExplainStmt)
    wanted = read_options(statement)
    query = statement.query
    begun = time.perf_counter()
    txn.check_age()
    prepared = yield from _prepared(session, parsed, txn, portal, wanted.get("generic_plan", False))
    session.check_privileges(prepared)
    planned = time.perf_counter()
    plan = prepared.plan
    assert plan is not None
    analyze = wanted.get("analyze", False)
    options = Options(
        wanted.get("verbose", False), wanted.get("costs", True), analyze, wanted.get("timing", True)
    )
    meters: dict[int, Meter] = {}
    usage: list[str] = []
    seconds = 0.0
    if analyze:
        meters = measure(plan.root)
        reads = _CountedReads(txn)
        yield from _run(session, prepared, txn, reads)
        seconds = time.perf_counter() - planned
        usage = _usage(seconds + planned - begun, reads.read, _written(txn))
        txn.end_statement()
    times: dict[str, Any] = {}
    if wanted.get("summary", analyze):
        times["Planning Time"] = round((planned - begun) * 1000, 3)
        if analyze:
            times["Execution Time"] = round(seconds * 1000, 3)

    def written() -> list[str]:
        tree = shown(plan.root, options, meters)
        width = sum(map(_bytes, (column.type for column in prepared.columns)))
        identifier = {"Query Identifier": _identifier(query)} if options.verbose else {}
        if is_json(statement):
            return [json.dumps([{"Plan": as_json(tree, options, width), **identifier, **times}], indent=2)]
        lines = text_lines(tree, options, width)
        lines += [f"{name}: {value}" for name, value in identifier.items()]
        lines += [f"{name}: {value:.3f} ms" for name, value in times.items()]
        return lines + usage if options.verbose else lines

    return (yield from planning.aside(session, len(parsed.text), written))


def _prepared(
    session: SqlSession, parsed: ast.ParsedStatement, txn: Transaction, portal: Portal | None, generic: bool
) -> planning.Steps[Prepared]:
    """The statement's plan: for the values of the portal's parameters, or (GENERIC_PLAN) for any."""
    query, catalog, env = preparing.explained(parsed), txn.catalog, session.env
    oids = [each.oid for each in portal.prepared.param_types] if portal is not None else []
    values = portal.params if portal is not None and not generic else None
    most_params = MOST_PARAMS if portal is not None or generic else 0

    def made() -> Prepared:
        return preparing.prepare_statement(
            query, catalog, env, oids, constants=values, most_params=most_params
        )

    return (yield from planning.aside(session, len(parsed.text), made))


def _run(session: SqlSession, prepared: Prepared, txn: Transaction, reads: _CountedReads) -> Steps:
    yield from observing.before(session, prepared)
    session.count_statement(prepared, txn)
    ctx: Context = session.new_context(txn, (), prepared.accesses)
    ctx.txn = reads
    until = time.monotonic() + SLICE_S
    for _batch in prepared.plan.run(ctx):  # type: ignore[union-attr]
        if ctx.pause or time.monotonic() > until:
            yield from rest(session, ctx)
            until = time.monotonic() + SLICE_S
    if ctx.pause:
        yield from rest(session, ctx)
    session.ctx = None


def _bytes(kind: Type) -> int:
    """The width that PostgreSQL takes a value of the type to have."""
    return kind.length if kind.length > 0 else 32


def _written(txn: Transaction) -> int:
    return sum(len(write.key) + len(write.value or b"") for write in txn.fresh.values())


def _usage(seconds: float, read: int, written: int) -> list[str]:
    """The statement's cost on AWS, from what is known of its prices."""
    compute = seconds * COMPUTE_DPU_PER_S
    reading = read * READ_MINIMUM / READ_FLOOR_BYTES
    writing = written * WRITE_MINIMUM / WRITE_FLOOR_BYTES
    return [
        "Statement DPU Estimate:",
        f"  Compute: {compute:.5f} DPU",
        f"  Read: {reading:.5f} DPU{_minimum(reading, READ_MINIMUM)}",
        f"  Write: {writing:.5f} DPU{_minimum(writing, WRITE_MINIMUM)}",
        f"  Total: {compute + reading + writing:.5f} DPU",
    ]


def _minimum(value: float, least: float) -> str:
    return f" (Transaction minimum: {least:.5f})" if 0 < value < least else ""


def _identifier(query: ast.Statement) -> str:
    """13 characters that are the same for the same statement."""
    digest = hashlib.blake2b(_POSITION.sub("", repr(query)).encode(), digest_size=8).digest()
    return base64.b32encode(digest).decode().rstrip("=").lower()
