"""One authenticated connection between two nodes: posts, questions and their answers.

Each node dials the others. A connection carries the dialer's messages one way, and the answers to them the
other way, in order. Everything is bounded: a frame, the bytes that wait for a peer, the questions it may have
open. What does not fit is lost, and its sender is told at once; the protocols above live with loss.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec

from journal.broken import Broken
from server.runtime.framing import PREFIX, Framed
from server.runtime.net import identity, wire
from server.runtime.net.asking import Ended, Expired, Lost, Question, Refused, Reply
from server.runtime.net.identity import Identity
from server.runtime.net.sharing import Net
from server.runtime.net.traffic import Loss

log = logging.getLogger("opendsql.net")


class Link(Framed):
    """What both ends have in common: delay, counting, signs of life, a calm end."""

    decode: Callable[[Any], Any]

    def __init__(self, net: Net, remote: Identity | None) -> None:
        super().__init__(net.settings.frame_bytes, self._over)
        self.net = net
        self.remote = remote
        self.is_draining = False
        self.over: asyncio.Future[str] = self._loop.create_future()
        """Done when the connection has ended, with the reason."""
        self._delayed: deque[tuple[float, bytes]] = deque()
        self._delayed_bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._ticker: asyncio.TimerHandle | None = None
        self._silent = 0
        self._unsent_before = 0
        self._drain_until = 0.0

    # --- sending

    def emit(self, name: str, frame: wire.Frame) -> Loss | None:
        """Send a frame, counted under `name`; why it does not leave, as far as the sender could know."""
        net, remote = self.net, self.remote
        assert remote is not None
        if self._transport is None or self.over.done():
            return self._lose(Loss.UNREACHABLE)
        data = wire.encode(frame)
        size = len(data) + PREFIX
        if len(data) > self._limit:
            return self._lose(Loss.TOO_LARGE)
        if self.waiting_bytes + size > net.settings.queue_bytes:
            return self._lose(Loss.OVERFLOW)
        source, target = net.me.region, remote.region
        if net.faults.is_cut(source, target):
            self._lose(Loss.CUT)
            return None
        net.traffic.count_sent(source, target, name, size)
        delay = net.faults.delay_s(source, target)
        if delay or self._delayed:
            self._send_later(data, delay)
        else:
            self.send_frame(data)
        return None

    @property
    def waiting_bytes(self) -> int:
        """Accepted and not yet with the system."""
        return self.unsent_bytes + self._delayed_bytes

    def _lose(self, loss: Loss) -> Loss:
        self.net.traffic.lost[loss] += 1
        return loss

    def _send_later(self, data: bytes, delay: float) -> None:
        due = self._loop.time() + delay
        # Behind what was sent before, also when the delay has become shorter meanwhile.
        self._delayed.append((due, data))
        self._delayed_bytes += len(data) + PREFIX
        if self._timer is None:
            self._timer = self._loop.call_at(due, self._release)

    def _release(self) -> None:
        """Send what has been on its way long enough."""
        self._timer = None
        remote, faults, delayed = self.remote, self.net.faults, self._delayed
        assert remote is not None
        # Clocks of loops are coarse: what is due within the same millisecond goes along.
        now = self._loop.time() + 0.0005
        is_cut = faults.is_cut(self.net.me.region, remote.region)
        while delayed and delayed[0][0] <= now:
            _due, data = delayed.popleft()
            self._delayed_bytes -= len(data) + PREFIX
            if is_cut:
                self._lose(Loss.CUT)
            else:
                self.send_frame(data)
        if delayed and self._transport is not None:
            self._timer = self._loop.call_at(delayed[0][0], self._release)
        elif self.is_draining:
            self._end_if_drained()

    # --- life

    def drain(self) -> None:
        """Nothing new is sent; the connection ends when what is open is settled, or after a while."""
        if not self.is_draining:
            self.is_draining = True
            self._drain_until = self._loop.time() + self.net.settings.drain_s
            self._end_if_drained()

    def is_drained(self) -> bool:
        """Whether nothing is open."""
        return not self._delayed

    def _end_if_drained(self) -> None:
        if self._transport is not None and self.is_drained():
            self._flush()
            self._transport.close()

    def _tick(self) -> None:
        self._ticker = self._loop.call_later(self.net.settings.ping_s, self._tick)
        unsent, before = self.unsent_bytes, self._unsent_before
        self._unsent_before = unsent
        # A peer that takes what waited for it lives, even if its answers wait behind that.
        self._silent = 0 if 0 < unsent < before else self._silent + 1
        if self._silent > self.net.settings.silent_pings:
            self.net.traffic.silent += 1
            self._fail("nothing was heard")
        elif self.is_draining and self._loop.time() > self._drain_until:
            self._fail("not drained in time")
        else:
            self.ticked()

    def ticked(self) -> None:
        """Called every `ping_s`."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._ticker = self._loop.call_later(self.net.settings.ping_s, self._tick)

    def data_received(self, data: bytes) -> None:
        self._silent = 0
        super().data_received(data)

    def frame_received(self, frame: memoryview) -> str | None:
        if self.over.done():
            return None
        try:
            message = type(self).decode(frame)
        except msgspec.MsgspecError as error:
            return f"not a frame: {error}"
        try:
            return self.take(message, len(frame) + PREFIX)
        except Broken as error:
            self.net.broken(error)
            return "this node is broken"

    def take(self, frame: Any, size: int) -> str | None:
        """A frame of `size` bytes; a reason ends the connection."""
        raise NotImplementedError

    def count(self, name: str, size: int) -> None:
        """A frame has arrived."""
        assert self.remote is not None
        self.net.traffic.count_received(self.remote.region, self.net.me.region, name, size)

    def _over(self, reason: str) -> None:
        for timer in (self._timer, self._ticker):
            if timer is not None:
                timer.cancel()
        self._delayed.clear()
        self._delayed_bytes = 0
        if not self.over.done():
            self.over.set_result(reason)
        self.settled(reason)

    def settled(self, reason: str) -> None:
        """Called once, when nothing comes any more."""


class DialedLink(Link):
    """The end that asks. `welcomed` is done when the peer has taken it."""

    decode = staticmethod(wire.decode_to_dialer)

    def __init__(self, net: Net, remote: Identity) -> None:
        super().__init__(net, remote)
        self.remote: Identity = remote
        self.welcomed: asyncio.Future[None] = self._loop.create_future()
        self.rtt_s: float | None = None
        """Of the last ping."""
        self.build = ""
        """Of the other end."""
        self._questions: dict[int, Question] = {}
        self._last_number = 0
        self._pings: dict[int, float] = {}
        """When those that have no answer yet were sent; a peer that leaves many is dead."""
        self._last_ping = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        shown = identity.of_certificate(transport.get_extra_info("peercert"))
        if shown != self.remote:
            self.net.traffic.refused += 1
            self._fail(f"{self.remote.uri} was dialed, {shown.uri if shown else 'nobody'} answers")
            return
        me = self.net.me
        hello = wire.Hello(wire.VERSION, me.cluster, me.region, me.node, self.remote.node, self.net.build)
        self.emit("hello", hello)

    def post(self, name: str, body: bytes) -> Loss | None:
        """Send a message that wants no answer."""
        return self.emit(name, wire.Post(name, msgspec.Raw(body)))

    def ask(self, name: str, body: bytes, patience_s: float, question: Question) -> None:
        """Send a question; it may fail at once."""
        if len(self._questions) >= self.net.settings.questions:
            question.fail(Lost(self._lose(Loss.OVERFLOW)))
            return
        self._last_number += 1
        number = self._last_number
        lost = self.emit(name, wire.Ask(number, name, max(int(patience_s * 1000), 1), msgspec.Raw(body)))
        if lost is not None:
            question.fail(Lost(lost))
            return
        self._questions[number] = question
        question.begin(self, number, self._loop.call_later(patience_s, self._expire, number))

    def forget(self, question: Question) -> None:
        """Nobody waits for its answer."""
        if self._questions.pop(question.number, None) is not None:
            self.emit("withdraw", wire.Withdraw(question.number))
            self._settled_one()

    def is_drained(self) -> bool:
        return super().is_drained() and not self._questions

    def ticked(self) -> None:
        if self.welcomed.done():
            self._last_ping += 1
            self._pings[self._last_ping] = self._loop.time()
            self.emit("ping", wire.Ping(self._last_ping))

    def take(self, frame: wire.ToDialer, size: int) -> str | None:
        if isinstance(frame, wire.Answer):
            self.count(frame.name, size)
            self._answered(frame)
        elif isinstance(frame, wire.Failed):
            self.count("failed", size)
            question = self._questions.pop(frame.number, None)
            if question is not None:
                question.settle()
                question.fail(Refused(frame.reason))
                self._settled_one()
        elif isinstance(frame, wire.Pong):
            self.count("pong", size)
            self._ponged(frame.number)
        else:
            self.count("welcome", size)
            self.build = frame.build
            if not self.welcomed.done():
                self.welcomed.set_result(None)
        return None

    def _ponged(self, number: int) -> None:
        sent = self._pings.get(number)
        if sent is not None:
            self.rtt_s = self._loop.time() - sent
            # Answers come in order: those before were lost.
            self._pings = {each: at for each, at in self._pings.items() if each > number}

    def _answered(self, frame: wire.Answer) -> None:
        question = self._questions.pop(frame.number, None)
        if question is None:
            return  # it came too late
        question.settle()
        try:
            message = self.net.vocabulary.decode(frame.name, frame.body)
        except wire.Unknown as error:
            self.net.traffic.unknown += 1
            log.warning("answer not understood from=%s error=%s", self.remote.node, error)
            question.fail(Refused(str(error)))
        else:
            question.finish(message)
        self._settled_one()

    def _expire(self, number: int) -> None:
        question = self._questions[number]
        question.settle()
        self.forget(question)
        question.fail(Expired("no answer in time"))

    def _settled_one(self) -> None:
        if self.is_draining:
            self._end_if_drained()

    def settled(self, reason: str) -> None:
        questions, self._questions = self._questions, {}
        for question in questions.values():
            question.settle()
        for question in questions.values():
            question.fail(Ended(reason))


class AcceptedLink(Link):
    """The end that answers. `entered` is called when the other end has proved who it is."""

    decode = staticmethod(wire.decode_to_acceptor)

    def __init__(self, net: Net, entered: Callable[["AcceptedLink"], None]) -> None:
        super().__init__(net, None)
        self._entered = entered
        self._is_greeted = False
        self._replies: dict[int, Reply] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        shown = identity.of_certificate(transport.get_extra_info("peercert"))
        if shown is None or self.net.known.get(shown.node) != shown:
            self._refuse(f"a certificate of {shown.uri if shown else 'no node'}")
            return
        self.remote = shown

    def reply(self, number: int, message: Any) -> Loss | None:
        """The answer to a question that is still open; else nothing."""
        if self._replies.pop(number, None) is None:
            return None
        vocabulary = self.net.vocabulary
        name = vocabulary.name(type(message))
        lost = self.emit(name, wire.Answer(number, name, msgspec.Raw(wire.encode(message))))
        if lost is Loss.TOO_LARGE:
            self.emit("failed", wire.Failed(number, "the answer is too large"))
        self._settled_one()
        return lost

    def refuse(self, number: int, reason: str) -> None:
        """No answer to a question that is still open."""
        if self._replies.pop(number, None) is not None:
            self.emit("failed", wire.Failed(number, reason))
            self._settled_one()

    def is_drained(self) -> bool:
        return super().is_drained() and not self._replies

    def ticked(self) -> None:
        now = self._loop.time()
        for number in [number for number, reply in self._replies.items() if reply.deadline < now]:
            self._replies.pop(number).withdraw()

    def take(self, frame: wire.ToAcceptor, size: int) -> str | None:
        if not self._is_greeted:
            return self._greet(frame, size)
        if isinstance(frame, wire.Post):
            self.count(frame.name, size)
            self._posted(frame)
        elif isinstance(frame, wire.Ask):
            self.count(frame.name, size)
            self._asked(frame)
        elif isinstance(frame, wire.Ping):
            self.count("ping", size)
            self.emit("pong", wire.Pong(frame.number))
        elif isinstance(frame, wire.Withdraw):
            self.count("withdraw", size)
            reply = self._replies.pop(frame.number, None)
            if reply is not None:
                reply.withdraw()
                self._settled_one()
        else:
            return "a second greeting"
        return None

    def _greet(self, frame: wire.ToAcceptor, size: int) -> str | None:
        remote = self.remote
        if remote is None:
            return "refused"
        if isinstance(frame, wire.Hello) and frame.version != wire.VERSION:
            self.net.traffic.other_version += 1
            spoken = f"speaks version {frame.version}, this node {wire.VERSION}"
            return self._refuse(f"{remote.uri} of build {frame.build or 'unknown'} {spoken}")
        is_right = (
            isinstance(frame, wire.Hello)
            and Identity(frame.cluster, frame.region, frame.node) == remote
            and frame.to == self.net.me.node
        )
        if not is_right:
            return self._refuse(f"{remote.uri} says {frame!r:.200}")
        self.count("hello", size)
        self._is_greeted = True
        self._entered(self)
        self.emit("welcome", wire.Welcome(wire.VERSION, self.net.build))
        return None

    def _refuse(self, what: str) -> str:
        self.net.traffic.refused += 1
        log.warning("connection refused: %s", what)
        self.close()
        return what

    def _posted(self, frame: wire.Post) -> None:
        message = self._understood(frame)
        handler = self.net.posts.get(type(message))
        if message is not None and handler is not None:
            assert self.remote is not None
            handler(self.remote, message)
        elif message is not None:
            self._unknown(f"nobody takes {frame.name}")

    def _asked(self, frame: wire.Ask) -> None:
        assert self.remote is not None
        message = self._understood(frame)
        handler = self.net.asks.get(type(message))
        if message is None or handler is None:
            if message is not None:
                self._unknown(f"nobody answers {frame.name}")
            self.emit("failed", wire.Failed(frame.number, f"not understood: {frame.name}"))
            return
        if len(self._replies) >= self.net.settings.questions:
            self.emit("failed", wire.Failed(frame.number, "too many questions"))
            return
        deadline = self._loop.time() + frame.patience_ms / 1000
        reply = self._replies[frame.number] = Reply(self, frame.number, deadline)
        handler(self.remote, message, reply)

    def _understood(self, frame: wire.Post | wire.Ask) -> Any:
        try:
            return self.net.vocabulary.decode(frame.name, frame.body)
        except wire.Unknown as error:
            self._unknown(str(error))
            return None

    def _unknown(self, what: str) -> None:
        self.net.traffic.unknown += 1
        log.warning("message dropped from=%s: %s", self.remote.node if self.remote else "", what)

    def _settled_one(self) -> None:
        if self.is_draining:
            self._end_if_drained()

    def settled(self, reason: str) -> None:
        replies, self._replies = self._replies, {}
        for reply in replies.values():
            reply.withdraw()
