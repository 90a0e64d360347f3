"""Jobs that come to a stand in the middle."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from server.runtime.job_work import JobWork


@contextmanager
def jobs_that_stop(commits: int) -> Iterator[Callable[[], bool]]:
    """After so many commits a job that wants another one stands still; says whether they were made."""
    commit = JobWork._commit
    left = commits

    async def stopping(self: JobWork, *arguments: Any) -> None:
        nonlocal left
        if left == 0:
            await asyncio.Event().wait()
        left -= 1
        await commit(self, *arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(JobWork, "_commit", stopping)
        yield lambda: left == 0
