"""Who waits for the end of a job (dsql-reference §6)."""

from collections.abc import Callable

from server.catalog.descriptor import Job
from server.session.work import Wait


class JobWaits:
    """Sessions of this node that wait. For the event loop's thread."""

    def __init__(self, find: Callable[[int, str], Job | None]) -> None:
        """`find`: the job of a cluster as storage has it now."""
        self._find = find
        self._waiting: dict[tuple[int, str], list[Wait[bool]]] = {}
        self._unseen: set[tuple[int, str]] = set()
        """Of those waited for, what was submitted a moment ago and is not in storage here yet."""

    def wait_for(self, cluster: int, job_id: str, is_submitted: bool) -> Wait[bool]:
        """As `JobRunner.wait_for`."""
        wait: Wait[bool] = Wait()
        self._waiting.setdefault((cluster, job_id), []).append(wait)
        if is_submitted:
            self._unseen.add((cluster, job_id))
        self._look_at((cluster, job_id))
        return wait

    def look(self) -> None:
        """Storage has moved on: who waits for a job that has ended is told."""
        for name in list(self._waiting):
            self._look_at(name)

    def _look_at(self, name: tuple[int, str]) -> None:
        job = self._find(*name)
        if job is not None:
            self._unseen.discard(name)
        if is_ended(job) and name not in self._unseen:
            for wait in self._waiting.pop(name):
                wait.finish(job is not None and job.status == "completed")


def is_ended(job: Job | None) -> bool:
    """Also one that is not known."""
    return job is None or job.status in ("completed", "failed")
