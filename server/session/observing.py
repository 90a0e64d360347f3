"""What a statement asks of the node's desk before it begins: what the views of schema opendsql show, whether
all that was decided is visible, injections."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.session import injecting
from server.session.work import Work
from server.testing.desk import Observe, Settle

if TYPE_CHECKING:
    from server.session.prepared import Prepared
    from server.session.session import SqlSession


def before(session: SqlSession, prepared: Prepared) -> Work:
    """To be done before a plan runs. Raises PgError."""
    if prepared.settles:
        yield from session.wait_for(session.node.desk.ask(Settle()))
    if prepared.observes:
        yield from observe(session)
    elif session.node.desk.armed:
        yield from injecting.at_statement(session, prepared.used, writes=prepared.modifies)


def observe(session: SqlSession) -> Work:
    """Let `session.observed` be of this moment."""
    session.observed = yield from session.wait_for(session.node.desk.ask(Observe(session.cluster)))
