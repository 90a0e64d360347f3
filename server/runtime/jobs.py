"""When asynchronous jobs run (dsql-reference §6); what they do: server/runtime/job_work.py."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from functools import partial

from server.catalog import store
from server.catalog.descriptor import Job, Oid, Statistics
from server.errors import PgError
from server.runtime.job_waits import JobWaits, is_ended
from server.runtime.job_work import JobHost, JobWork, now_us
from server.runtime.waiting import telling
from server.session.work import Wait

log = logging.getLogger("opendsql.jobs")

Work = Callable[[], Awaitable[None]]

CONCURRENT = 4
"""Jobs at a time, which share the loop with everybody."""
CONCURRENT_PROMPT = 16
"""With those among them for whose end a statement waits, as ANALYZE does: they pass long builds by."""
RETRY_S = 1.0
"""After a commit was refused for want of space."""


class JobRunner:
    """Starts jobs when they are due, a few at a time; wakes up when the catalog changes.

    A job that lacks room is left for later, and the others go on: a DROP may make the room.
    """

    def __init__(self, node: JobHost, broken: Callable[[BaseException], None]) -> None:
        self._node = node
        self._broken = broken
        self.work = JobWork(node)
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._running: dict[str, tuple[int, asyncio.Task[bool]]] = {}
        """What is under way: by the id of the job, or of a cluster that is removed, the cluster's number."""
        self._waits = JobWaits(self.find)
        self.completed = 0
        self._is_look_due = False
        self._timer: asyncio.TimerHandle | None = None
        self._alarm: asyncio.TimerHandle | None = None
        """Wakes the loop when the first of those that wait for their time may be tried."""
        self.looks = 0
        """How often tables were looked for that have changed much."""
        node.catalog_listeners.append(lambda _catalog: self._wake.set())

    def start(self) -> None:
        """Begin with what an earlier process left unfinished."""
        self._is_look_due = False
        self._wake.set()
        self._look_later()
        self._task = asyncio.get_running_loop().create_task(self._run())
        # It never ends by itself: without it every CALL sys.wait_for_job would wait in vain.
        self._task.add_done_callback(telling(self._broken))

    async def stop(self) -> None:
        """Stop between two transactions; the jobs go on with the next start."""
        for timer in (self._timer, self._alarm):
            if timer is not None:
                timer.cancel()
        if self._task is not None:
            tasks = [self._task, *(task for _cluster, task in self._running.values())]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def wait_for(self, cluster: int, job_id: str, is_submitted: bool = False) -> Wait[bool]:
        """Done when the job has ended: True if it completed, False if it failed or is unknown.

        `is_submitted`: whoever asks has committed it; in a region storage may learn of that later than the client.
        """
        return self._waits.wait_for(cluster, job_id, is_submitted)

    def look(self) -> None:
        """Storage has moved on: who waits for a job that has ended, also in another region, is told."""
        self._waits.look()

    def find(self, cluster: int, job_id: str) -> Job | None:
        return store.find_job(self._node.versions, cluster, job_id, self._node.start_ts())

    def jobs(self, cluster: int) -> Iterator[Job]:
        """All jobs of a cluster, oldest first."""
        return iter(store.read_jobs(self._node.versions, cluster, self._node.start_ts()))

    def statistics(self, cluster: int) -> dict[Oid, Statistics]:
        """What ANALYZE found out about a cluster's tables."""
        return store.read_statistics(self._node.versions, cluster, self._node.start_ts())

    # --- the loop ---

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            known = self._node.clusters()
            if self._is_look_due:
                self.work.activity.forget_others(known)
            for cluster in known:
                if self._is_look_due:
                    await self._attempt("analyses", partial(self.work.submit_analyses, cluster))
                await self._attempt("jobs", partial(self._start_due, cluster))
            if self._is_look_due:
                self._is_look_due = False
                self.looks += 1
                self._look_later()
            await self._attempt("removal", self._start_removals)

    async def _attempt(self, what: str, work: Work) -> bool:
        """Do it; False if it was refused, as for want of room: it is tried again after a while."""
        try:
            await work()
        except PgError as error:
            log.error("%s wait error=%s", what, error.message)
            self._wake_in(RETRY_S)
            return False
        return True

    def _wake_in(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        at = loop.time() + seconds
        if self._alarm is not None and loop.time() < self._alarm.when() <= at:
            return
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = loop.call_at(at, self._wake.set)

    def _look_later(self) -> None:
        """Tables that have changed much become jobs, now and then."""
        interval_s = self._node.limits.analyze_interval_s
        if interval_s:
            self._timer = asyncio.get_running_loop().call_later(interval_s, self._look_at_tables)

    def _look_at_tables(self) -> None:
        if self.work.activity.is_empty:
            self._look_later()
        else:
            self._is_look_due = True
            self._wake.set()

    # --- what is under way ---

    async def _start_due(self, cluster: int) -> None:
        await self.work.now()
        for job in self.jobs(cluster):
            if is_ended(job) or job.job_id in self._running or not self._is_due(job):
                continue
            if len(self._running) < (CONCURRENT_PROMPT if job.is_prompt else CONCURRENT):
                self._start(job.job_id, cluster, partial(self._perform, cluster, job))

    async def _start_removals(self) -> None:
        """Of dropped clusters, once their jobs have noticed that they are gone."""
        await self.work.now()
        busy = {cluster for cluster, _task in self._running.values()}
        for number, ids in self.work.dropped_clusters().items():
            if number not in busy and len(self._running) < CONCURRENT:
                self._start(min(ids), number, partial(self.work.remove_cluster, number, ids))

    async def _perform(self, cluster: int, job: Job) -> None:
        await self.work.perform(cluster, job)
        self.completed += 1
        await self.work.now()  # whoever looks for jobs that are due sees from here on that this one has ended

    def _start(self, name: str, cluster: int, work: Work) -> None:
        def ended(task: asyncio.Task[bool]) -> None:
            del self._running[name]
            if not task.cancelled() and task.exception() is None and task.result():
                self.look()
                self._wake.set()

        task = asyncio.get_running_loop().create_task(self._attempt(name, work))
        self._running[name] = cluster, task
        task.add_done_callback(telling(self._broken))
        task.add_done_callback(ended)

    def _is_due(self, job: Job) -> bool:
        """Whether it may start; else the runner is woken when it may."""
        if job.status == "processing" or job.is_prompt:
            return True
        left_s = self._node.limits.job_start_s - (now_us() - job.start_time) / 1e6
        if left_s > 0:
            self._wake_in(left_s)
        return left_s <= 0
