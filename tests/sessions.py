"""Sessions of a real node in this process, behind the real protocol: statements in, decoded answers out."""

import asyncio
import struct
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from pygwire import messages as pg

from server.pgwire.connection import Connection, Counters, Environment
from server.pgwire.startup import Policy
from server.runtime.gate import CatalogGate
from server.runtime.node import Node
from server.session.session import SqlSession
from server.session.work import Slice, Wait
from server.sql.limits import Limits
from tests import nodes

T = TypeVar("T")


class Client:
    """One logged-in connection. Answers are short texts: rows as tuples, the rest as in `Client.show`."""

    kind: type[SqlSession] = SqlSession

    def __init__(self, node: Any, user: str = "admin", **options: str) -> None:
        self.node = node

        def open_session(user: str, database: str, options: dict[str, str], out: list[bytes]) -> SqlSession:
            return self.kind(node, user, database, options, out)

        gate = CatalogGate(
            "trust",
            lambda: node.catalog(node.default_cluster),
            named=lambda cluster_id: node.catalog(node.cluster_named(cluster_id)),
        )
        policy = Policy(gate, False, False, bytes, b"m" * 32, None)  # type: ignore[arg-type]

        def report(defect: Exception) -> str:
            raise AssertionError("a defect") from defect

        self.connection = Connection(
            Environment(policy, open_session, report, Counters()),  # type: ignore[arg-type]
            "192.0.2.1",
        )
        self.status = ""
        """That of the last ReadyForQuery."""
        self.parameters: dict[str, str] = {}
        """What ParameterStatus said."""
        started = pg.StartupMessage(params={"user": user, "database": "postgres", **options})
        self.connection.receive(started.to_wire())
        self.greeting = self._decode(self.connection.output())

    @property
    def session(self) -> SqlSession:
        session = self.connection.session
        assert isinstance(session, SqlSession)
        return session

    async def send(self, *sent: pg.PGMessage) -> list[Any]:
        """Send messages in one piece and wait until the connection wants nothing any more; see `show`."""
        self.begin(*sent)
        return await self.finish()

    def begin(self, *sent: pg.PGMessage) -> None:
        """Send messages, and leave the connection where it has to wait."""
        self._data = b""
        self.connection.receive(b"".join(message.to_wire() for message in sent))
        self._data += self.connection.output()

    async def finish(self) -> list[Any]:
        """Go on with what `begin` left."""
        while (waiting := self.connection.waiting) is not None:
            if isinstance(waiting, Slice):
                await asyncio.sleep(0)
            elif isinstance(waiting, Wait) and not waiting.done:
                done = asyncio.get_running_loop().create_future()
                waiting.callback = lambda done=done: None if done.done() else done.set_result(None)
                await done
            self.connection.turn()
            self._data += self.connection.output()
        return self._decode(self._data)

    def _decode(self, data: bytes) -> list[Any]:
        answers = []
        for kind, body in frames(data):
            if kind == b"S":
                name, value, _end = body.split(b"\0")
                self.parameters[name.decode()] = value.decode()
            elif kind == b"Z":
                self.status = body.decode()
            if kind not in QUIET:
                answers.append(show(kind, body))
        return answers

    async def query(self, sql: str) -> list[Any]:
        """A simple query."""
        return await self.send(pg.Query(query_string=sql))

    async def rows(self, sql: str) -> list[tuple[str | None, ...]]:
        """The rows of a query that must not fail."""
        answers = await self.query(sql)
        assert not any(isinstance(each, str) and each.startswith("ERROR") for each in answers), answers
        return [each for each in answers if isinstance(each, tuple)]

    async def extended(self, sql: str, *values: str | None, max_rows: int = 0) -> list[Any]:
        """Parse, Bind, Execute of the unnamed statement, and Sync."""
        return await self.send(*extended(sql, *values, max_rows=max_rows), pg.Sync())

    async def copy(self, sql: str, *chunks: bytes) -> list[Any]:
        """COPY FROM STDIN with its data in these pieces."""
        first = await self.query(sql)
        if first[-1] != "G":
            return first
        data = [pg.CopyData(data=chunk) for chunk in chunks]
        return first[:-1] + await self.send(*data, pg.CopyDone())

    def close(self) -> None:
        """The socket is gone."""
        self.connection.close()


def extended(sql: str, *values: str | None, max_rows: int = 0, portal: str = "") -> list[pg.PGMessage]:
    """Parse, Bind and Execute of the unnamed statement."""
    encoded = [None if value is None else value.encode() for value in values]
    return [
        pg.Parse(query=sql),
        pg.Bind(portal=portal, param_values=encoded),
        pg.Execute(portal=portal, max_rows=max_rows),
    ]


QUIET = b"TZS12n3t"
"""RowDescription, ReadyForQuery, ParameterStatus, and what completes a message of the extended protocol."""


def frames(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Type and body of each message."""
    place = 0
    while place < len(data):
        (length,) = struct.unpack_from("!i", data, place + 1)
        yield data[place : place + 1], data[place + 5 : place + 1 + length]
        place += 1 + length


def show(kind: bytes, body: bytes) -> Any:
    """A row as a tuple, COPY's data as bytes, a tag, `ERROR sqlstate text`, or the message's letter."""
    if kind == b"D":
        return tuple(_values(body))
    if kind == b"C":
        return body[:-1].decode()
    if kind in b"EN":
        fields = {part[:1]: part[1:].decode() for part in body.split(b"\0") if part}
        return f"{fields[b'S']} {fields[b'C']} {fields[b'M']}"
    return body if kind == b"d" else kind.decode()


def _values(body: bytes) -> Iterator[str | None]:
    place = 2
    while place < len(body):
        (length,) = struct.unpack_from("!i", body, place)
        place += 4
        if length < 0:
            yield None
        else:
            yield body[place : place + length].decode()
            place += length


def run(data: Path, work: Callable[[Node], Awaitable[T]], limits: Limits | None = None, **options: Any) -> T:
    """A node in `data`, unsynced unless `options` say otherwise, for as long as `work` takes."""
    return nodes.run(data, work, **{"limits": limits, "memory": True, **options})
