"""COMMIT of a transaction that wrote or locked something."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.session import foreign, injecting
from server.session.transaction import Transaction
from server.session.work import Work

if TYPE_CHECKING:
    from server.session.session import SqlSession


def adjudicate(session: SqlSession, txn: Transaction) -> Work:
    """What was deferred until COMMIT, then the verdict. Raises PgError."""
    if txn.checks is not None:
        yield from foreign.settle(session, txn)
    if session.node.desk.armed:
        yield from injecting.at_commit(session, txn)
    wait = session.submit(txn)
    yield wait
    session.decided(txn, wait)
