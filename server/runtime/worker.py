"""A front-end process's node: sessions that read the replica's environment themselves and commit elsewhere.

    BEGIN     shared page: anything applied since the snapshot at hand?  ──no──▶  go on with it
                 └─yes, or none at hand─▶ newest LMDB snapshot: rows, start_ts and the catalogs' versions
    read      straight from LMDB, as of start_ts
    COMMIT    Submit ──▶ main: adjudicator, journal, replica ──▶ Committed (after the rows became visible)

Rows, start_ts and catalog come from one LMDB snapshot (DESIGN §4), and an acknowledged commit moved the page's
word before it was acknowledged: every BEGIN after the acknowledgement, in any process, sees it.

The snapshot is let go `HOLD_S` after it was taken at the latest, read or idle, so that no page is pinned
longer. Not at the end of each turn: taking one costs as much as four reads.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from adjudicator.messages import CommitRequest
from journal.broken import require
from server.catalog import clusters, store
from server.catalog.descriptor import Catalog, Job, Oid, Statistics
from server.errors import PgError
from server.runtime.desk import RemoteDesk, running_of
from server.runtime.frames import (
    Asked,
    Cancel,
    Committed,
    Configure,
    ConflictLost,
    JobEnded,
    Left,
    Refused,
    RunningAre,
    Submit,
    TellRunning,
    Told,
    ToWorker,
    WaitForJob,
)
from server.runtime.framing import Messages
from server.runtime.hosting import Entered, SessionHost, Shared
from server.runtime.page import SharedPage, decode_catalog_versions
from server.session import suspending
from server.session.reasons import Refusal
from server.session.transaction import Transaction, Versions
from server.session.work import Wait
from server.sql import refusals
from server.testing.conflicts import Lost
from server.testing.desk import Request
from storage.replica import Reader

HOLD_S = 0.01


class Link:
    """The worker's requests to main, and their outcomes."""

    def __init__(self, frames: Messages) -> None:
        self._frames = frames
        frames.resumed = self._resume
        self._waiting: dict[int, Wait[Any]] = {}
        self._held: deque[Submit] = deque()
        """Commits that are sent once main reads again."""
        self._last_number = 0

    def submit(self, request: CommitRequest, size: int) -> Wait[int]:
        """Ask for a commit; the Wait gives commit_ts or fails with PgError."""
        number, wait = self._expect()
        message = Submit(number, request, size)
        if self._held or self._frames.is_congested:
            self._held.append(message)
        else:
            self._frames.send(message)
        return wait

    def wait_for_job(self, cluster: int, job_id: str, is_submitted: bool) -> Wait[bool]:
        """Done when the job has ended."""
        number, wait = self._expect()
        self._frames.send(WaitForJob(number, cluster, job_id, is_submitted))
        return wait

    def ask(self, request: Request) -> Wait[Any]:
        """Ask the node's desk; the Wait gives its answer or fails with PgError."""
        number, wait = self._expect()
        self._frames.send(Asked(number, request))
        return wait

    def lost(self, lost: Lost) -> None:
        """Tell the desk of a commit that was refused."""
        self._frames.send(ConflictLost(lost))

    def running_are(self, number: int, sessions: dict[int, Any]) -> None:
        """Tell which transactions are open here."""
        self._frames.send(RunningAre(number, list(running_of(sessions))))

    def cancel(self, process_id: int, secret: bytes) -> None:
        """Pass on a cancel request."""
        self._frames.send(Cancel(process_id, secret))

    def entered(self, session: Entered) -> None:
        """Tell of a session of this process."""
        self._frames.send(session)

    def left(self, process_id: int) -> None:
        """Tell of its end."""
        self._frames.send(Left(process_id))

    def answered(self, message: Committed | Refused | JobEnded | Told) -> None:
        """Main has answered."""
        wait = self._waiting.pop(message.number, None)
        require(wait is not None, "main answers what it was asked, once")
        assert wait is not None
        if isinstance(message, Committed):
            wait.finish(message.commit_ts)
        elif isinstance(message, JobEnded):
            wait.finish(message.is_completed)
        elif isinstance(message, Told):
            wait.finish(message.fault or message.observed or message.count)
        else:
            wait.fail(_error(message))

    def _expect(self) -> tuple[int, Wait[Any]]:
        self._last_number += 1
        wait = self._waiting[self._last_number] = Wait()
        return self._last_number, wait

    def _resume(self) -> None:
        while self._held and not self._frames.is_congested:
            self._frames.send(self._held.popleft())


def _error(message: Refused) -> PgError:
    error = PgError(
        message.sqlstate,
        message.message,
        severity=message.severity,
        detail=message.detail,
        hint=message.hint,
    )
    return error if message.verdict is None else Refusal(error, message.verdict)


class WorkerJobs:
    """Jobs run in main; here they are read and waited for."""

    def __init__(self, node: WorkerNode, link: Link) -> None:
        self._node = node
        self._link = link

    def wait_for(self, cluster: int, job_id: str, is_submitted: bool = False) -> Wait[bool]:
        """As `server.runtime.jobs.JobRunner.wait_for`."""
        return self._link.wait_for_job(cluster, job_id, is_submitted)

    def find(self, cluster: int, job_id: str) -> Job | None:
        return store.find_job(self._node.versions, cluster, job_id, self._node.newest_ts())

    def jobs(self, cluster: int) -> Iterator[Job]:
        """All jobs of a cluster, oldest first."""
        return iter(store.read_jobs(self._node.versions, cluster, self._node.newest_ts()))

    def statistics(self, cluster: int) -> dict[Oid, Statistics]:
        """What ANALYZE found out about a cluster's tables."""
        return store.read_statistics(self._node.versions, cluster, self._node.newest_ts())


class WorkerNode(SessionHost):
    """See the module's text; a `server.session.host.Host`. For the event loop's thread."""

    kinds = suspending.PLAIN
    """What its sessions are."""

    def __init__(
        self,
        config: Configure,
        page: SharedPage,
        link: Link,
        call_later: Callable[[float, Callable[[], None]], object] | None = None,
    ) -> None:
        super().__init__(config.limits, config.index)
        refusals.as_of(config.surface)
        self.default_cluster = config.default_cluster
        self.rebase = config.rebase
        self.shared = Shared(page, link)
        self.desk = RemoteDesk(page, link)
        self.session_defaults = config.session_defaults
        self._page = page
        self._link = link
        self._call_later = call_later or asyncio.get_running_loop().call_later
        self._is_release_due = False
        self._is_newest = False
        """The reader holds a snapshot that was the newest one when the page's word was `_position`."""
        self._position = 0
        self._start_ts = 0
        self._extra = b""
        self._catalog_versions: dict[int, int] = {}
        self._catalogs: dict[int, Catalog] = {}
        self.versions = Reader.open(Path(config.data) / "storage", taken=self._taken)
        self.reads: Versions = self.versions
        self.jobs = WorkerJobs(self, link)
        self._refresh()

    async def start(self) -> None:
        """Returns when sessions may be opened."""

    async def stop(self) -> None:
        """What `start` began ends."""

    # --- what sessions ask ---

    def catalog(self, cluster: int) -> Catalog:
        """The catalog of the newest snapshot. PgError FATAL 57P01 when the cluster was dropped."""
        if not self._is_newest or self._page.position != self._position:
            self._refresh()
        return self._catalogs.get(cluster) or self._load(cluster)

    def cluster_named(self, cluster_id: str) -> int:
        """The number of the cluster of that id. PgError FATAL 08006."""
        return clusters.number_of(self.versions, self.newest_ts(), cluster_id, self.here.region)

    def start_ts(self) -> int:
        """The time of the snapshot that the last `catalog` looked at."""
        return self._start_ts

    def newest_ts(self) -> int:
        """The time of the newest snapshot."""
        self.catalog(self.default_cluster)
        return self._start_ts

    def submit(self, txn: Transaction, size: int) -> Wait[int]:
        """Send a transaction's commit request; `size` is what it counts for its limit."""
        return self._link.submit(txn.request(rebase=self.rebase), size)

    def told(self, message: ToWorker) -> bool:
        """What main says of commits, jobs and other sessions; False: it is about something else. Raises `Broken`."""
        if isinstance(message, Committed | Refused | JobEnded | Told):
            self._link.answered(message)
        elif isinstance(message, Entered):
            self.told_entered(message)
        elif isinstance(message, Left):
            self.told_left(message.process_id)
        elif isinstance(message, TellRunning):
            self._link.running_are(message.number, self.sessions)
        else:
            return False
        return True

    def close(self) -> None:
        """Let go of the environment."""
        self.versions.close()

    # --- the snapshot ---

    def _refresh(self) -> None:
        # The word first: what is applied in between only makes the snapshot newer than the word says.
        self._position = self._page.position
        self._start_ts, _applied, extra = self.versions.refresh()
        self._is_newest = True
        if extra != self._extra:
            self._extra = extra
            self._catalog_versions = decode_catalog_versions(extra)
            for cluster, known in list(self._catalogs.items()):
                if self.versions.get(store.version_key(cluster), self._start_ts) is None:
                    del self._catalogs[cluster]  # it was dropped
                elif known.version != self._catalog_versions.get(cluster, 0):
                    self._load(cluster)

    def _load(self, cluster: int) -> Catalog:
        version = self._catalog_versions.get(cluster, 0)
        known = self._catalogs.pop(cluster, None)
        found = store.load(self.versions, cluster, self._start_ts, version, known)
        if found is None:
            raise clusters.gone()
        self._catalogs[cluster] = found
        return found

    def _taken(self) -> None:
        if not self._is_release_due:
            self._is_release_due = True
            self._call_later(HOLD_S, self._let_go)

    def _let_go(self) -> None:
        self._is_release_due = self._is_newest = False
        self.versions.release()
