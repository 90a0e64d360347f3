"""From a Wait, which knows no loop, to a coroutine that awaits it."""

import asyncio
from typing import TypeVar

from server.session.work import Wait

T = TypeVar("T")


async def outcome(wait: Wait[T]) -> T:
    """The result of `wait`, once it is done; raises the error that was delivered instead."""
    if not wait.done:
        done = asyncio.get_running_loop().create_future()
        wait.callback = lambda: None if done.done() else done.set_result(None)
        try:
            await done
        finally:
            wait.callback = None
    return wait.value()
