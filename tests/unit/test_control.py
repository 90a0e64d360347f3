"""The control socket: bounds, bad requests, operators who leave, and a broken node."""

import asyncio
import json
import stat

from journal.broken import Broken
from server import cli_connect
from server.runtime.control import MAX_CONNECTIONS, MAX_REQUEST, ControlSocket, address
from server.runtime.node import Node
from server.runtime.operations import Operations
from server.runtime.requests import ReadJournal, Status
from tests.nodes import Failures, run, until, write


def _serve(data, work, failures: Failures | None = None) -> None:
    """Run `work(node, control)` beside a control socket on the node."""

    async def serving(node: Node) -> None:
        control = ControlSocket(
            data, Operations(node.journal, node.stores, node), Failures() if failures is None else failures
        )
        await control.start()
        try:
            await work(node, control)
        finally:
            await control.close()

    run(data, serving)


async def _send(data, request: bytes) -> list[dict]:
    """The answers to one line."""
    with address(data) as path:
        reader, writer = await asyncio.open_unix_connection(path)
    try:
        writer.write(request)
        return [json.loads(line) for line in (await reader.read()).splitlines()]
    finally:
        writer.close()
        await writer.wait_closed()


def test_a_request_and_its_answer_in_a_directory_with_a_long_path(tmp_path):
    data = tmp_path / ("long" * 40)

    async def work(node: Node, _control: ControlSocket) -> None:
        mode = (data / "control").stat().st_mode
        assert stat.S_IMODE(mode) == 0o600, "for the owner only"
        found: list[dict] = []
        await asyncio.to_thread(cli_connect.perform, data, Status(), found.append)
        assert found[0]["applied_position"] == node.journal.tail.position

    _serve(data, work)
    assert not (data / "control").exists()


def test_bad_requests_get_a_reason(tmp_path):
    async def work(_node: Node, _control: ControlSocket) -> None:
        for request in (b"nonsense\n", b'{"type":"shutdown"}\n', b'{"type":"status","more":1}\n'):
            (answer,) = await _send(tmp_path, request)
            assert answer["error"].startswith("bad request")
        (answer,) = await _send(tmp_path, b"x" * (MAX_REQUEST + 1) + b"\n")
        assert answer["error"].startswith("bad request")
        (answer,) = await _send(tmp_path, b'{"type":"journal","start":0,"records":true}\n')
        assert answer["error"] == "the journal begins at record 1"

    _serve(tmp_path, work)


def test_too_many_operators_are_turned_away(tmp_path):
    async def work(_node: Node, control: ControlSocket) -> None:
        writers = []
        with address(tmp_path) as path:
            for _ in range(MAX_CONNECTIONS):
                writers.append((await asyncio.open_unix_connection(path))[1])
        await until(lambda: len(control._tasks) == MAX_CONNECTIONS)
        assert await _send(tmp_path, b"") == [{"error": "too many operators"}]
        for writer in writers:
            writer.close()
            await writer.wait_closed()
        await until(lambda: not control._tasks)
        assert (await _send(tmp_path, b'{"type":"status"}\n'))[-1] == {"end": True}

    _serve(tmp_path, work)


def test_an_operator_who_leaves_ends_his_work(tmp_path):
    async def work(node: Node, control: ControlSocket) -> None:
        with address(tmp_path) as path:
            reader, writer = await asyncio.open_unix_connection(path)
        writer.write(b'{"type":"journal","follow":true}\n')
        assert json.loads(await reader.readline())["line"]["type"] == "claim"
        writer.close()
        await writer.wait_closed()
        await until(lambda: not control._tasks)
        await write(node, {"a": b"1"})

    _serve(tmp_path, work)


def test_a_broken_invariant_in_an_operation_stops_the_node(tmp_path, monkeypatch):
    failures = Failures()

    async def broken(*_: object) -> None:
        raise Broken("injected")

    async def work(_node: Node, _control: ControlSocket) -> None:
        monkeypatch.setattr(Operations, "status", broken)
        assert await _send(tmp_path, b'{"type":"status"}\n') == []
        assert [type(each) for each in failures] == [Broken]

    _serve(tmp_path, work, failures)


def test_requests_are_what_the_server_reads():
    """The command and the server share the types."""
    request = ReadJournal(7, follow=True)
    assert cli_connect.control.decode_request(cli_connect.msgspec.json.encode(request)) == request
