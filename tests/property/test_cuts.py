"""However a client's bytes are cut, the session sees the same calls and the client the same answers."""

from hypothesis import given, settings
from hypothesis import strategies as st
from pygwire import BackendConnection, ConnectionPhase, FrontendConnection
from pygwire import messages as pg

from server.session.work import Slice
from tests.canned import CannedNode
from tests.wire_client import WireClient, connect

STATEMENTS = st.sampled_from(
    ["a", "", "fail", "defect", "begin", "commit", "slices 3", "copy in", "copy in; b", "copy out", "a; fail"]
)
MESSAGES = st.one_of(
    st.builds(lambda sql: pg.Query(query_string=sql), STATEMENTS),
    st.builds(lambda sql: pg.Parse(query=sql), STATEMENTS),
    st.builds(lambda values: pg.Bind(param_values=values), st.lists(st.none() | st.binary(max_size=9))),
    st.just(pg.Bind(statement="unknown")),
    st.sampled_from([pg.Describe("P", ""), pg.Execute(), pg.Close("S", "s"), pg.Flush()]),
    st.just(pg.Sync()),
    st.sampled_from([pg.CopyData(b"1"), pg.CopyData(b"bad"), pg.CopyDone(), pg.CopyFail("no")]),
)
ENTER = pg.StartupMessage(params={"user": "admin", "database": "postgres", "application_name": "é"})


def run(pieces: list[bytes]) -> tuple[bytes, list[tuple[object, ...]], bool]:
    node = CannedNode()
    connection = connect(node)
    answers = b""
    for piece in pieces:
        connection.receive(piece)
        answers += connection.output()
        while isinstance(connection.waiting, Slice):
            connection.turn()
            answers += connection.output()
    return answers, node.sessions[0].calls, connection.closing


@settings(deadline=None)
@given(st.lists(MESSAGES, max_size=12), st.data())
def test_cuts_change_nothing(sent: list[pg.PGMessage], data: st.DataObject) -> None:
    wire = b"".join(message.to_wire() for message in [ENTER, *sent])
    cuts = sorted(data.draw(st.sets(st.integers(1, len(wire) - 1), max_size=10)))
    pieces = [wire[a:b] for a, b in zip([0, *cuts], [*cuts, len(wire)])]
    whole = run([wire])
    assert run(pieces) == whole
    assert run([bytes((byte,)) for byte in wire]) == whole


EXTENDED = st.one_of(
    st.builds(
        lambda name, sql, oids: pg.Parse(name, sql, oids),
        st.sampled_from(["", "s"]),
        st.sampled_from(["a", "begin", ""]),
        st.lists(st.integers(0, 2**31), max_size=3),
    ),
    st.builds(
        lambda values, format, results: pg.Bind("", "", [format], values, results),
        st.lists(st.none() | st.binary(max_size=300), max_size=4),
        st.integers(0, 1),
        st.lists(st.integers(0, 1), max_size=3),
    ),
    st.builds(pg.Describe, st.sampled_from("SP"), st.sampled_from(["", "é"])),
    st.builds(pg.Close, st.sampled_from("SP"), st.sampled_from(["", "é"])),
)
SIMPLE = st.sampled_from(["a", "", "fail", "begin", "slices 3", "copy out", "a; b", "a; fail"])
EXCHANGES = st.lists(
    st.lists(EXTENDED | st.just(pg.Execute()) | st.just(pg.Bind(statement="unknown")), max_size=6).map(
        lambda messages: [pg.Parse(query="a"), pg.Bind(), *messages, pg.Sync()]
    )
    | SIMPLE.map(lambda sql: [pg.Query(query_string=sql)]),
    max_size=4,
)


@settings(deadline=None)
@given(st.lists(EXTENDED, max_size=12), st.data())
def test_pygwire_reads_the_same_messages(sent: list[pg.PGMessage], data: st.DataObject) -> None:
    """The calls that our reader makes are those that pygwire's decoder makes of the same bytes."""
    wire = b"".join(message.to_wire() for message in [*sent, pg.Sync()])
    cut = data.draw(st.integers(0, len(wire)))
    oracle = BackendConnection(initial_phase=ConnectionPhase.READY)
    read = [message for piece in (wire[:cut], wire[cut:]) for message in oracle.receive(piece)]
    client = WireClient.entered()
    for piece in (wire[:cut], wire[cut:]):
        client.connection.receive(piece)
    assert client.session.calls == [call(message) for message in read]


def call(message: pg.PGMessage) -> tuple[object, ...]:
    if isinstance(message, pg.Parse):
        return ("parse", message.statement, message.query, tuple(message.param_types))
    if isinstance(message, pg.Bind):
        values = tuple(message.param_values)
        formats = tuple(message.param_formats), tuple(message.result_formats)
        return ("bind", message.portal, message.statement, formats[0], values, formats[1])
    if isinstance(message, pg.Describe | pg.Close):
        prefix = "describe" if isinstance(message, pg.Describe) else "close"
        return (f"{prefix}_{'statement' if message.kind == 'S' else 'portal'}", message.name)
    return ("sync",)


@settings(deadline=None)
@given(EXCHANGES)
def test_pygwire_follows_all_answers(exchanges: list[list[pg.PGMessage]]) -> None:
    """pygwire's client state machine, strict, is back at READY after each exchange, at the last byte."""
    client = WireClient.entered()
    client.protocol = FrontendConnection(initial_phase=ConnectionPhase.READY)
    for exchange in exchanges:
        answers = client.send(*exchange)
        assert isinstance(answers[-1], pg.ReadyForQuery)
        assert client.protocol.phase is ConnectionPhase.READY


@given(st.binary(max_size=200))
def test_any_bytes_end_in_an_answer_or_wait_for_more(data: bytes) -> None:
    for connection in (connect(CannedNode()), WireClient.entered().connection):
        connection.receive(data)
        connection.output()
        if not connection.closing and connection.waiting is None:
            assert connection.buffered <= len(data)
        connection.close()
