"""Between the processes of a node: frames, the shared page, process ids, the worker's requests."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from adjudicator.messages import CommitRequest
from journal.broken import Broken
from journal.record import Lock, Write
from server.errors import PgError
from server.runtime import frames
from server.runtime.frames import Committed, JobEnded, Left, Refused, Submit
from server.runtime.framing import Messages, encode
from server.runtime.hosting import Entered, SessionHost, Shared, index_of
from server.runtime.page import SharedPage
from server.runtime.worker import Link
from server.sql.limits import Limits

LIMIT = 1 << 16
REQUEST = CommitRequest(
    b"t" * 16, 7, [Write(b"key", b"row", 3), Write(b"gone", None, 2)], [Lock(b"l", 1)], [b"c"]
)
MESSAGES: list[Any] = [
    Submit(1, REQUEST, 99),
    Entered(1 << 24, 1, "admin", "postgres", "psql"),
    Left(1 << 24),
    frames.Cancel(5, b"abcd"),
    frames.WaitForJob(2, 1, "j" * 26, True),
    frames.Accepting(),
]


def framed(message: Any) -> bytes:
    data = encode(message)
    return len(data).to_bytes(4, "little") + data


class Receiver:
    """What one end received, and why it ended."""

    def __init__(self) -> None:
        self.messages: list[Any] = []
        self.ends: list[str] = []
        self.frames = Messages(frames.decode_to_main, LIMIT, self.messages.append, self.ends.append)


def in_loop(work: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        await work()
        await asyncio.sleep(0)  # closed transports let go of their sockets

    asyncio.run(main())


def test_messages_arrive_whole_however_the_bytes_are_cut():
    stream = b"".join(map(framed, MESSAGES))

    async def work() -> None:
        for size in (1, 2, 3, 5, 7, 50, len(stream)):
            receiver = Receiver()
            for start in range(0, len(stream), size):
                receiver.frames.data_received(stream[start : start + size])
            assert receiver.messages == MESSAGES
            assert receiver.ends == []

    in_loop(work)


@pytest.mark.parametrize(
    "data",
    [
        (LIMIT + 1).to_bytes(4, "little"),
        b"\x02\0\0\0\xff\xff",
        framed(Committed(1, 2)),  # not for this end
    ],
)
def test_what_is_not_a_frame_ends_the_connection(data):
    async def work() -> None:
        receiver = Receiver()
        receiver.frames.data_received(framed(Left(1)) + data + framed(Left(2)))
        assert receiver.messages == [Left(1)]
        assert len(receiver.ends) == 1

    in_loop(work)


async def connected(left: Messages, right: Messages) -> None:
    for end, connection in zip((left, right), socket.socketpair()):
        connection.setblocking(False)
        await asyncio.get_running_loop().create_unix_connection(lambda end=end: end, sock=connection)


async def until(condition: Callable[[], object]) -> None:
    while not condition():
        await asyncio.sleep(0)


def test_what_a_turn_sends_leaves_in_one_write_and_the_end_is_told_once():
    async def work() -> None:
        receiver, ends = Receiver(), []
        sender = Messages(frames.decode_to_worker, LIMIT, lambda _message: None, ends.append)
        await connected(sender, receiver.frames)
        pieces: list[bytes] = []
        receive = receiver.frames.data_received
        receiver.frames.data_received = lambda data: (pieces.append(data), receive(data))  # type: ignore[method-assign]
        for message in MESSAGES:
            sender.send(message)
        await until(lambda: len(receiver.messages) == len(MESSAGES))
        assert len(pieces) == 1
        receiver.frames.close()
        await until(lambda: ends and receiver.ends)
        sender.send(Left(1))
        await asyncio.sleep(0)
        assert (len(ends), len(receiver.ends)) == (1, 1)
        sender.close()

    in_loop(work)


def test_commits_wait_in_the_worker_while_main_does_not_read():
    async def work() -> None:
        receiver = Receiver()
        sender = Messages(frames.decode_to_worker, LIMIT, lambda _message: None, lambda _reason: None)
        link = Link(sender)
        await connected(sender, receiver.frames)
        receiver.frames.hold()
        request = CommitRequest(b"t" * 16, 7, [Write(b"k", b"x" * (LIMIT // 2), 3)], [])
        for _ in range(100):
            link.submit(request, LIMIT // 2)
            await asyncio.sleep(0)
        assert sender.is_congested
        assert len(link._held) > 50, "held, not copied into buffers"
        receiver.frames.go_on()
        await until(lambda: len(receiver.messages) == 100)
        assert [message.number for message in receiver.messages] == list(range(1, 101))
        receiver.frames.close()
        await until(lambda: receiver.ends)
        sender.close()

    in_loop(work)


def test_outcomes_find_their_requests_in_any_order():
    async def work() -> None:
        link = Link(Receiver().frames)
        commit, loser = link.submit(REQUEST, 1), link.submit(REQUEST, 1)
        job = link.wait_for_job(1, "j", False)
        link.answered(JobEnded(3, True))
        link.answered(Refused(2, "40001", "no", "ERROR"))
        link.answered(Committed(1, 42))
        assert (commit.value(), job.value()) == (42, True)
        with pytest.raises(PgError, match="no") as refused:
            loser.value()
        assert (refused.value.sqlstate, refused.value.severity) == ("40001", "ERROR")
        with pytest.raises(Broken):
            link.answered(Committed(1, 43))

    in_loop(work)


class StubSession:
    """What a host asks of a session."""

    def __init__(self, host: SessionHost) -> None:
        self.cluster, self.user, self.database = 1, "admin", "postgres"
        self.settings = {"application_name": "stub"}
        self.process_id = host.enter(self)  # type: ignore[arg-type]


class Told:
    def __init__(self) -> None:
        self.log: list[object] = []

    def entered(self, session: Entered) -> None:
        self.log.append(session)

    def left(self, process_id: int) -> None:
        self.log.append(process_id)


def test_the_connection_limit_is_over_all_processes():
    page, told = SharedPage.create(), Told()
    hosts = [SessionHost(Limits(connections=5), index) for index in range(3)]
    for host in hosts:
        host.shared = Shared(page, told)
    sessions = [(host, StubSession(host)) for host in (*hosts, *hosts[:2])]
    for host in hosts:
        with pytest.raises(PgError) as refused:
            StubSession(host)
        assert (refused.value.sqlstate, refused.value.severity) == ("53300", "FATAL")
    host, session = sessions.pop()
    host.leave(session)  # type: ignore[arg-type]
    host.leave(session)  # type: ignore[arg-type]
    assert page.session_count() == 4
    sessions.append((hosts[2], StubSession(hosts[2])))
    assert page.session_count() == 5
    page.clear_sessions(2)
    assert page.session_count() == 3


def test_a_process_id_names_its_process_and_others_are_known():
    host, told = SessionHost(Limits(), 5), Told()
    host.shared = Shared(SharedPage.create(), told)
    session = StubSession(host)
    assert index_of(session.process_id) == 5
    assert told.log == [Entered(session.process_id, 1, "admin", "postgres", "stub")]
    stranger = Entered((6 << 24) + 1, 1, "u", "postgres", "psql")
    host.told_entered(stranger)
    assert set(host.sessions) == {session.process_id, stranger.process_id}
    host.cancel(stranger.process_id, b"abcd")
    host.told_left(stranger.process_id)
    assert set(host.sessions) == {session.process_id}


def test_process_ids_are_not_given_twice():
    host = SessionHost(Limits(), 1)
    host._last_number = (1 << 24) - 2
    first, second, third = (StubSession(host).process_id for _ in range(3))
    assert (first, second, third) == ((2 << 24) - 1, (1 << 24) + 1, (1 << 24) + 2)
    host._last_number = 0
    assert StubSession(host).process_id == (1 << 24) + 3


def test_another_process_sees_the_page():
    page = SharedPage.create()
    other = SharedPage(page.descriptor)
    page.position = 123456789012345
    page.add_sessions(3, 2)
    assert (other.position, other.session_count()) == (123456789012345, 2)
