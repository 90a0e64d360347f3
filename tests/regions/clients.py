"""What any client of a region does: a statement is tried again after a conflict, or until the region has caught up."""

import asyncio

import asyncpg

from tests.regions.cluster import HANG_S

AGAIN = (asyncpg.SerializationError, asyncpg.CannotConnectNowError)
"""What a client repeats: conflicts and schema changes of others, and a region that does not serve yet."""


async def seen(connection, statement, *values):
    """A SELECT's value, once the region has caught up: it may say 57P03, but nothing old."""
    return await _again(asyncpg.CannotConnectNowError, connection.fetchval, statement, *values)


async def done(connection, statement, *values):
    """A statement until it commits: conflicts and schema changes of others are repeated."""
    return await repeated(connection.execute, statement, *values)


async def repeated(call, *arguments):
    """What `call` gives, once nothing that a client repeats is in its way."""
    return await _again(AGAIN, call, *arguments)


async def _again(errors, call, *arguments):
    """AssertionError with the last of the `errors` when it takes longer than `HANG_S`."""
    last = None
    try:
        async with asyncio.timeout(HANG_S) as limit:
            while True:
                try:
                    return await call(*arguments)
                except errors as error:
                    last = error
    except TimeoutError:
        if not limit.expired():
            raise
        raise AssertionError(f"not within {HANG_S:.0f} s: {arguments}; {last!r}") from last
