"""Why a commit was refused, in words: what DSQL will not tell. DETAIL of its error, and `opendsql.conflicts`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from adjudicator.messages import Aborted, Reason
from server.catalog.descriptor import Catalog, Column, Table
from server.catalog.store import ROLES, SCHEMAS, TABLES, is_catalog_key
from server.errors import PgError
from server.sql import types
from server.sql.access import PREFIX_LENGTH, access
from server.sql.env import Env
from server.sql.fn_datetime import UNIX_EPOCH
from server.sql.row_writer import key_text
from server.testing.conflicts import KEY_TEXT, Lost, Place
from storage import keycode

if TYPE_CHECKING:
    from server.session.session import SqlSession
    from server.session.transaction import Transaction

SETTING = "opendsql.conflict_detail"
"""The session's setting; off: errors are DSQL's to the byte."""


class Refusal(PgError):
    """40001 of an adjudicator, with its verdict; `injection` is the number of the one that played adjudicator."""

    def __init__(self, error: PgError, verdict: Aborted, injection: int | None = None) -> None:
        super().__init__(error.sqlstate, error.message)
        self.verdict = verdict
        self.injection = injection


def explain(session: SqlSession, txn: Transaction, error: PgError) -> None:
    """Note down a commit that was refused, and say why in the error's DETAIL unless the session wants none."""
    if not isinstance(error, Refusal):
        return
    verdict = error.verdict
    place, what = describe(verdict.key, txn.catalog, session.env)
    session.node.desk.lost(
        Lost(
            time.time_ns(),
            session.cluster,
            error.message[-6:-1],
            place,
            session.process_id,
            session.user,
            session.settings["application_name"],
            txn.start_ts,
            txn.txid.hex(),
            verdict.winner.hex() or None,
            verdict.won_at or None,
            error.injection,
        )
    )
    if session.settings[SETTING] == "on":
        error.detail = _detail(error, what, session.env)


def _detail(error: Refusal, what: str, env: Env) -> str:
    verdict = error.verdict
    if error.injection is not None:
        return f"Injection {error.injection} refused the transaction."
    if verdict.reason == Reason.TOO_OLD:
        return "The transaction began before the oldest commit that is still remembered."
    if not verdict.won_at:
        return f"Another transaction came first: {what}."
    winner = f"Transaction {verdict.winner.hex()}" if verdict.winner else "Another transaction"
    at = types.TIMESTAMPTZ.output(verdict.won_at // 1000 + UNIX_EPOCH, env)
    return f"{winner}, which committed at {at}, came first: {what}."


def describe(key: bytes, catalog: Catalog, env: Env) -> tuple[Place, str]:
    """What lies at a key, as fields and in words."""
    if not key:
        return Place(), "no single key"
    if is_catalog_key(key):
        return _describe_object(key, catalog)
    oid = int.from_bytes(key[4:PREFIX_LENGTH], "big")
    table = catalog.tables.get(catalog.index_tables.get(oid, oid))
    if table is None:
        return Place(key=_shortened(key.hex())), f"key {_shortened(key.hex())} of a table that is not known"
    if oid == table.oid:
        return _describe_row(key, table, catalog, env)
    found = next(each for each in access(table, catalog.cluster).indexes if each.index.oid == oid)
    shown = _shown_key(key, found.key_columns, found.kinds, env)
    schema, name = _schema_of(table, catalog), found.index.name
    what = f'key {shown} of index "{name}" of table "{schema}.{table.name}"'
    return Place(schema, table.name, name, shown), what


def _describe_row(key: bytes, table: Table, catalog: Catalog, env: Env) -> tuple[Place, str]:
    schema = _schema_of(table, catalog)
    if table.primary_key is None:
        hidden = key[PREFIX_LENGTH:].hex()
        return Place(schema, table.name, None, hidden), f'row {hidden} of table "{schema}.{table.name}"'
    columns = [table.columns[each.column - 1] for each in table.primary_key.keys]
    shown = _shown_key(key, columns, access(table, catalog.cluster).kinds, env)
    return Place(schema, table.name, None, shown), f'key {shown} of table "{schema}.{table.name}"'


def _describe_object(key: bytes, catalog: Catalog) -> tuple[Place, str]:
    space, oid = int.from_bytes(key[4:PREFIX_LENGTH], "big"), int.from_bytes(key[PREFIX_LENGTH:], "big")
    if space == TABLES and oid in catalog.tables:
        table = catalog.tables[oid]
        schema = _schema_of(table, catalog)
        return Place(schema, table.name), f'table "{schema}.{table.name}" was changed'
    if space == SCHEMAS and oid in catalog.schemas:
        return Place(catalog.schemas[oid].name), f'schema "{catalog.schemas[oid].name}" was changed'
    if space == ROLES and oid in catalog.roles:
        return Place(), f'role "{catalog.roles[oid].name}" was changed'
    return Place(), "the catalog was changed"


def _schema_of(table: Table, catalog: Catalog) -> str:
    schema = catalog.schemas.get(table.schema_oid)
    return schema.name if schema is not None else str(table.schema_oid)


def _shown_key(key: bytes, columns: Sequence[Column], kinds: tuple[str, ...], env: Env) -> str:
    return _shortened(key_text(columns, keycode.decode(kinds, key), env))


def _shortened(text: str) -> str:
    return text if len(text) <= KEY_TEXT else f"{text[:KEY_TEXT]}..."
