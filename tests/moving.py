"""Sessions that are suspended and resumed at every boundary where that is allowed, and their answers byte by byte."""

import asyncio
import random
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from pygwire import messages as pg

from server.catalog import store
from server.catalog.descriptor import Catalog
from server.pgwire.connection import Connection
from server.runtime.hosting import SessionHost
from server.runtime.node import Node
from server.session import suspending
from server.session.host import Jobs
from server.session.transaction import Transaction
from server.session.work import Wait
from server.sql.limits import Limits
from server.testing.options import Testing
from tests import sessions

JOB_ID = re.compile(rb"(?<=\0\0\0\x1a)[a-z2-7]{26}")


class Elsewhere(SessionHost):
    """What a session finds in another process: the same rows and times, its own plans and catalog objects."""

    def __init__(self, node: Node) -> None:
        super().__init__(node.limits, index=1)
        self.default_cluster = node.default_cluster
        self.rebase = node.rebase
        self.versions = self.reads = node.versions
        self.desk = node.desk
        self._node = node
        self._catalogs: dict[int, Catalog] = {}

    @property
    def jobs(self) -> Jobs:
        return self._node.jobs

    def catalog(self, cluster: int) -> Catalog:
        newest = self._node.catalog(cluster)
        mine = self._catalogs.get(cluster)
        if mine is None or mine.version != newest.version:
            mine = store.load(self.versions, cluster, self._node.start_ts(), newest.version, mine)
            assert mine is not None
            self._catalogs[cluster] = mine
        return mine

    def start_ts(self) -> int:
        return self._node.start_ts()

    def submit(self, txn: Transaction, size: int) -> Wait[int]:
        return self._node.submit(txn, size)


class Client(sessions.Client):
    """A client that keeps every byte of its answers."""

    def __init__(self, node: Node, user: str = "admin", **options: str) -> None:
        super().__init__(node, user, **options)
        self.heard = b""
        self.moves = 0

    async def say(self, *sent: pg.PGMessage) -> bytes:
        """Send messages in one piece; the answer's bytes."""
        self.begin(*sent)
        await self.finish()
        self.heard += self._data
        self.boundary()
        return self._data

    def boundary(self) -> None:
        """Called when the connection wants nothing any more."""


class Moving(Client):
    """A client whose session is moved whenever it may be."""

    kinds = suspending.PLAIN
    hosts: Sequence[SessionHost] = ()
    kept_s = 0.0

    def boundary(self) -> None:
        if not suspending.may_suspend(self.connection):
            return
        session = self.session
        state = suspending.suspend(session)
        environment = self.connection._environment
        self.connection.close()
        self.moves += 1
        host = self.hosts[self.moves % len(self.hosts)]
        self.connection = Connection.resumed(
            environment,
            lambda out: suspending.resume(host, state, out, self.kept_s, kinds=self.kinds),  # type: ignore[arg-type]
        )


Step = tuple[str, Sequence[pg.PGMessage] | str]
"""Who says what; a text is a simple query, with what COPY reads after a line end."""


def play(
    data: Path,
    steps: Sequence[Step],
    *,
    moving: bool,
    rebase: bool = True,
    setup: Sequence[str] = (),
    limits: Limits | None = None,
    elsewhere: bool = True,
    watch: Callable[[dict[str, Client]], None] | None = None,
    kind: Callable[[Node, str], Client] | None = None,
) -> list[bytes]:
    """The answers to `steps`, each by a client that logs in at its first; job ids are masked.

    A client `x:bob` logs in as bob. Sessions that move do so between the node and, with `elsewhere`, another host;
    `kind` makes clients of another one.
    """
    clients: dict[str, Client] = {}

    async def work(node: Node) -> list[bytes]:
        random.seed(1)
        node.set_testing(Testing(conflict_detail=False))  # whose ids and times no two runs share
        hosts = (node, Elsewhere(node)) if elsewhere else (node,)
        first = Client(node)
        for text in setup:
            answers = await first.query(text)
            assert not any(str(each).startswith("ERROR") for each in answers), answers
        answers = []
        jobs: dict[str, bytes] = {}
        for name, said in steps:
            if name not in clients:
                make = kind or (Moving if moving else Client)
                clients[name] = make(node, name.partition(":")[2] or "admin")
                if kind is None and isinstance(clients[name], Moving):
                    clients[name].hosts = hosts  # type: ignore[attr-defined]
                    clients[name].boundary()
            client = clients[name]
            if said == "\\close":
                clients.pop(name).close()
                continue
            if said == "\\wait":
                said = f"CALL sys.wait_for_job('{jobs[name].decode()}')"
            answer = await (say(client, said) if isinstance(said, str) else client.say(*said))
            found = JOB_ID.search(answer)
            if found is not None:
                jobs[name] = found[0]
            answers.append(JOB_ID.sub(b"<job>", answer))
        if watch is not None:
            watch(clients)
        return answers

    async def limited(node: Node) -> list[bytes]:
        return await asyncio.wait_for(work(node), 60)

    return sessions.run(data, limited, limits, rebase=rebase)


async def say(client: Client, text: str) -> bytes:
    """A simple query; COPY FROM reads what follows the first line's end."""
    copy = ""
    if re.match(r"\s*copy .*from stdin", text, re.IGNORECASE):
        text, _, copy = text.partition("\n")
    answer = await client.say(pg.Query(query_string=text))
    if client.session.copying:
        answer += await client.say(pg.CopyData(data=copy.encode()), pg.CopyDone())
    return answer
