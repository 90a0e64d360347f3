"""Long computations beside the loop: a few threads that share the interpreter with it (DESIGN §11)."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Callable
from contextvars import copy_context
from typing import Any, TypeVar

from server.session.work import Wait

T = TypeVar("T")

THREADS = 4
"""At once; each one more makes the loop wait longer for the interpreter."""
STACK_BYTES = 16 << 20
"""Of one thread: as deep as Python's own recursion limits let a parser go, whatever the system's default is."""

Job = tuple[Callable[[], Any], Wait[Any]]


class Background:
    """Runs pure functions in threads. Used on the event loop's thread; a function may only read what it shares."""

    def __init__(self) -> None:
        self._queue: deque[Job] = deque()
        self._running = 0

    def run(self, step: Callable[[], T]) -> Wait[T]:
        """The Wait gives the result of `step`, or what it raised; one that is done before is not begun."""
        wait: Wait[T] = Wait()
        self._queue.append((step, wait))
        self._start()
        return wait

    def _start(self) -> None:
        while self._queue and self._running < THREADS:
            step, wait = self._queue.popleft()
            if wait.done:
                continue
            self._running += 1
            loop = asyncio.get_running_loop()
            context = copy_context()
            before = threading.stack_size(STACK_BYTES)
            try:
                # Not an executor's thread: the process would wait for it to end.
                threading.Thread(
                    target=context.run, args=(self._compute, loop, step, wait), daemon=True
                ).start()
            finally:
                threading.stack_size(before)

    def _compute(self, loop: asyncio.AbstractEventLoop, step: Callable[[], Any], wait: Wait[Any]) -> None:
        result, error = None, None
        try:
            result = step()
        except BaseException as failure:  # raised where the outcome is awaited
            error = failure
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(self._ended, wait, result, error)

    def _ended(self, wait: Wait[Any], result: Any, error: BaseException | None) -> None:
        self._running -= 1
        if not wait.done:
            if error is None:
                wait.finish(result)
            else:
                wait.fail(error)
        self._start()
