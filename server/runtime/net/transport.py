"""What a node says to the others, and hears from them (DESIGN §3, §9; AR §3.18).

    transport.on_post(Announcement, heard)           a handler per type that this node receives
    transport.on_ask(Prepare, prepare)
    transport.post("us-west-2-1", announcement)      may be lost; says so if it knows
    transport.ask("us-west-2-1", prepare, 0.5)       a Question: an answer, or an `asking.Failure`

Posts and questions to a node leave in order on one connection. Connections are made anew every few minutes, as
normal work: the new one is up before the old one is drained, and while both are there a message may overtake
another. Messages are lost where there is no connection, are never repeated here, and never arrive damaged.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from journal.broken import require
from server.runtime.net import wire
from server.runtime.net.asking import Lost, Question
from server.runtime.net.faults import Faults
from server.runtime.net.identity import Identity, NodeTls
from server.runtime.net.link import AcceptedLink, DialedLink, Link
from server.runtime.net.sharing import AskHandler, Net, PostHandler, Settings, backoff
from server.runtime.net.traffic import Loss, Traffic

log = logging.getLogger("opendsql.net")

LINKS_PER_NODE = 512
"""Connections that are accepted from one node. Each of its processes (`page.MAX_PROCESSES`) may have some: a new one, a
drained one, and what is not known to be dead yet."""
SHUTDOWN_S = 2.0
BACKLOG = 64


class Address(NamedTuple):
    """A node, and where it listens."""

    identity: Identity
    host: str
    port: int


class PeerStatus(NamedTuple):
    """What is known of a node."""

    node: str
    is_connected: bool
    rtt_s: float | None
    waiting_bytes: int
    build: str
    """Of OpenDSQL, as the node said when it was reached last."""


class Peer:
    """The connection to one other node: made, made again, renewed."""

    def __init__(
        self, address: Address, net: Net, tls: NodeTls, changed: Callable[[str, bool], None]
    ) -> None:
        self.address = address
        self.link: DialedLink | None = None
        self.build = ""
        self._net = net
        self._tls = tls
        self._changed = changed
        self._draining: set[DialedLink] = set()
        self._task = asyncio.get_running_loop().create_task(self._keep())

    def stop(self) -> asyncio.Task[None]:
        """Dial no more; the task ends soon."""
        self._task.cancel()
        return self._task

    def links(self) -> list[DialedLink]:
        """All that are open."""
        return [*self._draining, *([self.link] if self.link is not None else [])]

    async def _keep(self) -> None:
        failures = 0
        while True:
            made = await self._dial()
            if made is None:
                failures += 1
                await asyncio.sleep(backoff(self._net.settings, failures, random.random()))
                continue
            failures = 0
            self._switch(made)
            life = self._net.settings.renew_s * random.uniform(0.75, 1.25)
            await asyncio.wait({made.over}, timeout=life)
            if made.over.done():
                await asyncio.sleep(backoff(self._net.settings, 0, random.random()))

    def _switch(self, made: DialedLink) -> None:
        old, self.link = self.link, made
        self.build = made.build
        self._net.traffic.connected += 1
        made.over.add_done_callback(lambda _over: self._ended(made))
        if old is None:
            self._changed(self.address.identity.node, True)
            return
        self._net.traffic.renewed += 1
        self._draining.add(old)
        old.drain()

    def _ended(self, made: DialedLink) -> None:
        self._draining.discard(made)
        if self.link is not made:
            return
        self.link = None
        self._net.traffic.broken_off += 1
        node = self.address.identity.node
        log.info("connection ended to=%s reason=%s", node, made.over.result())
        self._changed(node, False)

    async def _dial(self) -> DialedLink | None:
        """A connection on which the peer has answered; None if it cannot be had now."""
        net, (remote, host, port) = self._net, self.address
        here, there = net.me.region, remote.region
        if not net.faults.may_connect(here, there):
            return None
        rtt = 2 * net.faults.delay_s(here, there)
        made = DialedLink(net, remote)
        self._tls.refresh()
        try:
            async with asyncio.timeout(net.settings.connect_s + 3 * rtt):
                # TCP's handshake and TLS's, which the injected delay of frames does not reach.
                await asyncio.sleep(2 * rtt)
                await asyncio.get_running_loop().create_connection(
                    lambda: made,
                    host,
                    port,
                    ssl=self._tls.dialing,
                    server_hostname=remote.node,
                    ssl_shutdown_timeout=SHUTDOWN_S,
                )
                either: set[asyncio.Future[Any]] = {made.welcomed, made.over}
                await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        except OSError as error:
            log.debug("not connected to=%s error=%r", remote.node, error)
            made.close()
            return None
        except asyncio.CancelledError:
            made.close()
            raise
        if made.over.done():
            log.debug("not connected to=%s reason=%s", remote.node, made.over.result())
            return None
        return made


class Transport:
    """All connections of one node. For the event loop's thread."""

    def __init__(
        self,
        me: Identity,
        vocabulary: wire.Vocabulary,
        tls: NodeTls,
        *,
        faults: Faults,
        broken: Callable[[BaseException], None],
        settings: Settings | None = None,
        changed: Callable[[str, bool], None] | None = None,
        build: str = "",
    ) -> None:
        """`changed` is told a node's id whenever a connection to it has come up (True) or ended (False)."""
        self.me = me
        self.faults = faults
        self.tls = tls
        self._net = Net(me, vocabulary, faults, settings or Settings(), broken, build)
        self._changed = changed or _ignore
        self._peers: dict[str, Peer] = {}
        self._accepted: dict[str, list[AcceptedLink]] = {}
        self._server: asyncio.Server | None = None

    @property
    def traffic(self) -> Traffic:
        """What was sent, received and lost."""
        return self._net.traffic

    def on_post(self, kind: type, handler: PostHandler) -> None:
        """`handler` takes messages of this type that want no answer."""
        self._net.vocabulary.name(kind)
        self._net.posts[kind] = handler

    def on_ask(self, kind: type, handler: AskHandler) -> None:
        """`handler` takes questions of this type, and answers by their `Reply`, now or later."""
        self._net.vocabulary.name(kind)
        self._net.asks[kind] = handler

    # --- start and end

    async def start(self, host: str, port: int) -> int:
        """Listen (port 0: any free one); returns the port. Raises OSError. `connect` tells who may come."""
        self._server = await asyncio.get_running_loop().create_server(
            lambda: AcceptedLink(self._net, self._entered),
            host,
            port,
            ssl=self.tls.accepting,
            ssl_handshake_timeout=self._net.settings.connect_s,
            ssl_shutdown_timeout=SHUTDOWN_S,
            backlog=BACKLOG,
        )
        bound: int = self._server.sockets[0].getsockname()[1]
        return bound

    def connect(self, addresses: Iterable[Address]) -> None:
        """These are the other nodes from now on; connections to those that are none any more are cut."""
        wanted = {each.identity.node: each for each in addresses if each.identity != self.me}
        require(
            all(each.identity.cluster == self.me.cluster for each in wanted.values()), "one cluster's nodes"
        )
        self._net.known = {node: each.identity for node, each in wanted.items()}
        for node, peer in list(self._peers.items()):
            if wanted.get(node) != peer.address:
                del self._peers[node]
                peer.stop()
                _cut(peer.links())
        for node, links in self._accepted.items():
            _cut([each for each in links if self._net.known.get(node) != each.remote])
        for node, address in wanted.items():
            if node not in self._peers:
                self._peers[node] = Peer(address, self._net, self.tls, self._changed)

    async def stop(self, grace_s: float = 0.0) -> None:
        """Take nothing new; open questions of both directions get `grace_s` seconds."""
        if self._server is not None:
            self._server.close()
        peers, self._peers = list(self._peers.values()), {}
        await asyncio.gather(*(peer.stop() for peer in peers), return_exceptions=True)
        links: list[Link] = [each for peer in peers for each in peer.links()]
        links += [each for accepted in self._accepted.values() for each in accepted]
        for each in links:
            each.drain()
        over = {each.over for each in links}
        if over and grace_s:
            await asyncio.wait(over, timeout=grace_s)
        _cut(links)
        if over:
            await asyncio.wait(over)

    # --- sending

    def post(self, to: str, message: Any) -> Loss | None:
        """Send `message` to the node `to`; why it is lost, if that is known already."""
        made = self._link(to)
        if made is None:
            return Loss.UNREACHABLE
        return made.post(self._net.vocabulary.name(type(message)), wire.encode(message))

    def ask(self, to: str, message: Any, patience_s: float) -> Question:
        """Ask the node `to`, which has `patience_s` seconds to answer. Never raises what became of it."""
        question = Question()
        made = self._link(to)
        if made is None:
            question.fail(Lost(Loss.UNREACHABLE))
        else:
            name = self._net.vocabulary.name(type(message))
            made.ask(name, wire.encode(message), patience_s, question)
        return question

    def is_connected(self, to: str) -> bool:
        """Whether a message to `to` could leave."""
        peer = self._peers.get(to)
        return peer is not None and peer.link is not None and not peer.link.over.done()

    def status(self) -> list[PeerStatus]:
        """The other nodes, by id."""
        found = []
        for node, peer in sorted(self._peers.items()):
            made = peer.link
            rtt_s, waiting = (None, 0) if made is None else (made.rtt_s, made.waiting_bytes)
            found.append(PeerStatus(node, self.is_connected(node), rtt_s, waiting, peer.build))
        return found

    def _link(self, to: str) -> DialedLink | None:
        require(to != self.me.node, "a node does not send to itself")
        peer = self._peers.get(to)
        if peer is None or peer.link is None:
            self._net.traffic.lost[Loss.UNREACHABLE] += 1
            return None
        return peer.link

    def _entered(self, made: AcceptedLink) -> None:
        assert made.remote is not None
        links = self._accepted.setdefault(made.remote.node, [])
        links.append(made)
        made.over.add_done_callback(lambda _over: links.remove(made))
        if len(links) > LINKS_PER_NODE:
            links[0].close()


def _cut(links: Iterable[Link]) -> None:
    for each in list(links):
        each.close()


def _ignore(_node: str, _is_up: bool) -> None:
    pass
