"""What PostgreSQL's raw parser says of a text: in a failed transaction nothing but parsing happens."""

from typing import Any

import psycopg
from psycopg.pq import TransactionStatus

from server.errors import PgError
from server.sql.parse import parse

Verdict = tuple[str, str, int | None] | None
"""SQLSTATE, message and position of the error; None: accepted."""

_SQLSTATE, _MESSAGE, _POSITION = 67, 77, 80
_FAILED = "25P02"
AFTERWARDS = (
    "misplaced ",
    "there is no parameter ",
    "expressions are not supported in included",
    "including column does",
    "unsupported XML feature",
)
"""Errors that PostgreSQL finds only when it runs the statement; `parse` has all it takes to give them."""


class RawParser:
    """PostgreSQL as a parser; `verdict` is the entry."""

    def __init__(self, connection: "psycopg.Connection[Any]") -> None:
        self._wire = connection.pgconn
        self._fail()

    def _fail(self) -> None:
        """Enter a transaction that has failed."""
        if self._wire.transaction_status != TransactionStatus.IDLE:
            self._wire.exec_(b"rollback")
        self._wire.exec_(b"begin")
        self._wire.exec_(b"select 1/0")

    def verdict(self, sql: str) -> Verdict:
        result = self._wire.exec_(sql.encode())
        if self._wire.transaction_status != TransactionStatus.INERROR:
            self._fail()
        sqlstate = (result.error_field(_SQLSTATE) or b"").decode()
        if sqlstate in ("", _FAILED):
            return None
        position = result.error_field(_POSITION)
        return sqlstate, (result.error_field(_MESSAGE) or b"").decode(), int(position) if position else None


def our_verdict(sql: str) -> Verdict:
    """The same of our parser."""
    try:
        parse(sql)
    except PgError as error:
        if error.message.startswith(AFTERWARDS):
            return None
        return error.sqlstate, error.message, error.position
    return None
