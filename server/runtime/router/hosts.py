"""The node of a query processor: a worker's, here or in a region, whose sessions come and go."""

from __future__ import annotations

from collections.abc import Callable

from server.runtime.clocks.interval import NoTime
from server.runtime.frames import Configure
from server.runtime.hosting import Entered, SessionHost
from server.runtime.page import SharedPage
from server.runtime.region.worker import RegionWorkerNode, edges_of
from server.runtime.worker import Link, WorkerNode
from server.session.session import SqlSession


class _Visited(SessionHost):
    """Sessions are here under the ids that the router gave them, and the router has counted them."""

    def enter(self, session: SqlSession, process_id: int | None = None) -> int:
        """A session is here."""
        assert process_id is not None
        self.sessions[process_id] = session
        return process_id

    def leave(self, session: SqlSession) -> None:
        """It is here no longer; whether it still exists somewhere the node tells."""
        application = session.settings["application_name"]
        self.sessions[session.process_id] = Entered(
            session.process_id, session.cluster, session.user, session.database, application
        )

    def told_entered(self, session: Entered) -> None:
        """The node knows of a session, which may have come here already."""
        self.sessions.setdefault(session.process_id, session)


class ProcessorNode(_Visited, WorkerNode):
    """Of one machine. A `server.session.host.Host`."""


class RegionProcessorNode(_Visited, RegionWorkerNode):
    """Of a region. A `server.session.regional.RegionHost`."""


def make(
    config: Configure,
    page: SharedPage,
    link: Link,
    lost: Callable[[NoTime], None],
    broken: Callable[[BaseException], None],
) -> ProcessorNode | RegionProcessorNode:
    """What `config` describes. Raises OSError, ValueError.

    `lost`: the time is unknown for too long. `broken`: an invariant is, or a handler failed.
    """
    if not config.regional:
        return ProcessorNode(config, page, link)
    return RegionProcessorNode(config, page, link, edges_of(config.regional, lost), broken)
