"""What the views of schema opendsql show: asked of the node's desk before a statement that reads them begins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.session.work import Work
from server.testing.desk import Observe

if TYPE_CHECKING:
    from server.session.session import SqlSession


def observe(session: SqlSession) -> Work:
    """Let `session.observed` be of this moment."""
    wait = session.node.desk.ask(Observe(session.cluster))
    yield wait
    session.observed = wait.value()
