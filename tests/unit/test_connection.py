"""The connection's rules: modes, errors, COPY, what is sent when, work and its limits."""

import struct

import pytest
from pygwire import messages as pg

from journal.broken import Broken
from server.errors import PgError
from server.pgwire.connection import INPUT_THRESHOLD, MESSAGE_LIMIT, MESSAGES_PER_TURN, OUTPUT_THRESHOLD
from server.session.work import Slice, Wait
from tests.wire_client import WireClient, kinds

BIND = pg.Bind(statement="")
EXECUTE = pg.Execute()
SYNC = pg.Sync()


@pytest.fixture
def client() -> WireClient:
    return WireClient.entered()


def parse(sql: str) -> pg.Parse:
    return pg.Parse(query=sql)


def query(sql: str) -> pg.Query:
    return pg.Query(query_string=sql)


def test_simple_query_answers_every_statement_then_ready(client: WireClient) -> None:
    assert client.kinds(query("a; b")) == "T D C T D C Z"
    assert client.kinds(query("")) == "I Z"


def test_an_error_ends_a_simple_query(client: WireClient) -> None:
    assert client.kinds(query("a; fail; b")) == "T D C 22012 Z"
    assert client.session.calls[-1] == ("failed", "22012")
    assert client.kinds(query("a")) == "T D C Z"


def test_ready_for_query_tells_the_status(client: WireClient) -> None:
    client.send(query("begin"))
    answers = client.send(query("fail"))
    assert answers[-1] == pg.ReadyForQuery(status=answers[-1].status)  # type: ignore[attr-defined]
    assert answers[-1].encode() == b"E"


def test_an_error_in_the_extended_protocol_skips_to_sync(client: WireClient) -> None:
    sent = [parse("fail"), BIND, EXECUTE, parse("b"), pg.Close("S", "x"), query("c"), SYNC]
    assert client.kinds(*sent) == "1 2 22012 Z"
    assert [call[0] for call in client.session.calls] == ["parse", "bind", "execute", "failed", "sync"]
    assert client.kinds(parse("a"), BIND, EXECUTE, SYNC) == "1 2 D C Z"


def test_an_error_at_sync_is_followed_by_ready(client: WireClient) -> None:
    client.send(parse("commit fails"), BIND, EXECUTE, SYNC)
    client.session.waits[0].finish("")
    client.connection.turn()
    assert kinds(client.answers()) == "1 2 C 40001 Z"


def test_describe_and_close_reach_the_session(client: WireClient) -> None:
    sent = [pg.Describe("S", "s"), pg.Describe("P", "p"), pg.Close("S", "s"), pg.Close("P", "p"), SYNC]
    assert client.kinds(*sent) == "t T T 3 3 Z"
    assert client.session.calls[:4] == [
        ("describe_statement", "s"),
        ("describe_portal", "p"),
        ("close_statement", "s"),
        ("close_portal", "p"),
    ]


def test_a_malformed_message_is_an_error_of_its_exchange_only(client: WireClient) -> None:
    assert client.kinds(pg.Describe("X", "s"), BIND, SYNC) == "08P01 Z"
    assert kinds(client.feed(b"Q\0\0\0\x06\xff\0")) == "22021 Z"
    assert kinds(client.feed(b"Q\0\0\0\x07a\0b")) == "08P01 Z"
    assert kinds(client.feed(b"S\0\0\0\x05x")) == "08P01 Z"


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"y\0\0\0\4", "invalid frontend message type 121"),
        (b"\0\0\0\0\4", "invalid frontend message type 0"),
        (b"Q\0\0\0\3", "invalid message length"),
        (b"Q\xff\xff\xff\xff", "invalid message length"),
        (b"Q" + struct.pack("!I", MESSAGE_LIMIT + 1), "invalid message length"),
    ],
)
def test_what_cannot_be_framed_ends_the_connection(client: WireClient, data: bytes, text: str) -> None:
    (answer,) = client.feed(data)
    assert isinstance(answer, pg.ErrorResponse)
    assert (answer.severity, answer.code, answer.message) == ("FATAL", "08P01", text)
    assert client.connection.closing
    assert client.feed(query("a").to_wire()) == []


def test_a_message_of_exactly_the_limit_is_read(client: WireClient) -> None:
    assert client.kinds(query("x" * (MESSAGE_LIMIT - 5))) == "T D C Z"


def test_a_defect_fails_only_its_transaction(client: WireClient) -> None:
    (error, _) = client.send(query("defect"))
    assert isinstance(error, pg.ErrorResponse)
    assert (error.code, error.message) == ("XX000", "internal error id")
    assert client.kinds(query("a")) == "T D C Z"


def test_a_broken_invariant_passes_through(client: WireClient) -> None:
    with pytest.raises(Broken):
        client.send(query("broken"))


def test_function_calls_are_refused(client: WireClient) -> None:
    assert kinds(client.feed(b"F\0\0\0\4")) == "0A000 Z"


def test_terminate(client: WireClient) -> None:
    client.send(pg.Terminate())
    assert client.connection.closing
    client.connection.close()
    assert client.session.closed == 1


# What is sent when


def test_answers_wait_for_sync_flush_or_an_error(client: WireClient) -> None:
    assert client.kinds(parse("a"), BIND) == ""
    assert client.kinds(pg.Flush()) == "1 2"
    assert client.kinds(EXECUTE) == ""
    assert client.kinds(parse("parse fails")) == "D C 42601"
    assert client.kinds(SYNC) == "Z"


def test_a_commit_that_waits_keeps_back_its_command_complete(client: WireClient) -> None:
    first = [parse("a"), BIND, EXECUTE, SYNC]
    assert client.kinds(*first, parse("commit fails"), BIND, EXECUTE, SYNC) == "1 2 D C Z"
    kept = list(client.connection.out)
    assert kept[-1].startswith(b"C")
    assert isinstance(client.connection.waiting, Wait)


def test_a_large_answer_is_sent_as_it_grows(client: WireClient) -> None:
    client.send(parse(f"rows 64 {OUTPUT_THRESHOLD // 8}"), BIND)
    client.connection.receive(EXECUTE.to_wire())
    assert isinstance(client.connection.waiting, Slice)
    assert len(client.connection.output()) > OUTPUT_THRESHOLD
    assert client.connection.out == []


# COPY


def test_copy_in_a_simple_query(client: WireClient) -> None:
    assert client.kinds(query("copy in; a")) == "G"
    assert client.kinds(pg.CopyData(b"1"), pg.Flush(), SYNC, pg.CopyData(b"2")) == ""
    assert client.kinds(pg.CopyDone()) == "C T D C Z"
    assert client.session.copied == [b"1", b"2"]


def test_two_copies_in_one_simple_query(client: WireClient) -> None:
    assert client.kinds(query("copy in; copy in")) == "G"
    assert client.kinds(pg.CopyDone()) == "C G"
    assert client.kinds(pg.CopyDone()) == "C Z"


def test_copy_fail(client: WireClient) -> None:
    client.send(query("copy in"))
    error, _ = client.send(pg.CopyFail("no more"))
    assert isinstance(error, pg.ErrorResponse)
    assert (error.code, error.message) == ("57014", "COPY from stdin failed: no more")


def test_after_an_error_the_rest_of_a_simple_copy_is_discarded(client: WireClient) -> None:
    client.send(query("copy in"))
    wire = b"".join(m.to_wire() for m in (pg.CopyData(b"bad"), pg.CopyData(b"2"), pg.CopyDone(), query("a")))
    assert kinds(client.feed(wire)) == "22P04 Z T D C Z"
    assert client.session.copied == [b"bad"]


def test_copy_in_the_extended_protocol(client: WireClient) -> None:
    assert client.kinds(parse("copy in"), BIND, EXECUTE, SYNC) == "1 2 G"
    assert client.kinds(pg.CopyData(b"1"), pg.CopyDone()) == ""
    assert client.kinds(SYNC) == "C Z"


def test_after_an_error_the_rest_of_an_extended_copy_is_skipped_to_sync(client: WireClient) -> None:
    client.send(parse("copy in"), BIND, EXECUTE)
    wire = b"".join(m.to_wire() for m in (pg.CopyData(b"bad"), pg.CopyData(b"2"), pg.CopyDone(), SYNC))
    assert kinds(client.feed(wire)) == "22P04 Z"
    assert client.session.copied == [b"bad"]


def test_copy_out(client: WireClient) -> None:
    assert client.kinds(query("copy out")) == "H d d c C Z"


def test_another_message_during_copy_ends_the_connection(client: WireClient) -> None:
    client.send(query("copy in"))
    (error,) = client.feed(query("a").to_wire())
    assert isinstance(error, pg.ErrorResponse)
    assert error.message == "unexpected message type 0x51 during COPY from stdin"
    assert client.connection.closing


# Work


def test_nothing_is_read_while_work_runs(client: WireClient) -> None:
    connection = client.connection
    connection.receive(query("slices 2").to_wire() + query("a").to_wire())
    assert connection.waiting is not None
    connection.receive(query("b").to_wire())
    assert [call[1] for call in client.session.calls] == ["slices 2"]
    assert kinds(client.answers()) == "T D D C Z T D C Z T D C Z"


def test_a_wait_resumes_when_it_is_done(client: WireClient) -> None:
    assert client.kinds(query("wait")) == ""
    client.session.waits[0].finish("done")
    client.connection.turn()
    assert kinds(client.answers()) == "T D C Z"


def test_a_wait_that_fails_raises_in_the_work(client: WireClient) -> None:
    client.send(query("wait"))
    client.session.waits[0].fail(PgError("40001", "lost"))
    client.connection.turn()
    assert kinds(client.answers()) == "T 40001 Z"


def test_cancel_stops_a_statement_at_its_next_slice(client: WireClient) -> None:
    client.connection.receive(query("forever").to_wire())
    client.connection.turn()
    client.session.cancel()
    client.connection.turn()
    assert kinds(client.answers()).endswith("57014 Z")


def test_a_client_that_does_not_read_stops_its_own_work(client: WireClient) -> None:
    connection = client.connection
    connection.receive(query("forever").to_wire())
    connection.held = True
    before = len(connection.out)
    for _ in range(10):
        connection.turn()
    assert len(connection.out) == before
    assert isinstance(connection.waiting, Slice)


def test_a_client_that_does_not_read_is_not_listened_to(client: WireClient) -> None:
    client.connection.held = True
    assert client.kinds(query("a")) == ""
    assert client.session.calls == []
    client.connection.held = False
    assert kinds(client.answers()) == "T D C Z"


def test_input_that_waits_is_bounded(client: WireClient) -> None:
    connection = client.connection
    connection.receive(query("wait").to_wire())
    assert not connection.congested
    connection.receive(b"\0" * (INPUT_THRESHOLD + 1))
    assert connection.congested


def test_a_long_pipeline_gives_the_others_a_turn(client: WireClient) -> None:
    client.connection.receive(query("a").to_wire() * (MESSAGES_PER_TURN + 1))
    assert isinstance(client.connection.waiting, Slice)
    assert len(client.session.calls) == MESSAGES_PER_TURN
    assert kinds(client.answers()).count("Z") == MESSAGES_PER_TURN + 1


def test_errors_do_not_prolong_a_turn(client: WireClient) -> None:
    client.connection.receive(query("fail").to_wire() * (2 * MESSAGES_PER_TURN))
    assert isinstance(client.connection.waiting, Slice)
    assert client.session.calls.count(("failed", "22012")) == MESSAGES_PER_TURN


def test_a_partial_large_message_is_not_read_again_for_every_piece(client: WireClient) -> None:
    wire = query("x" * 1_000_000).to_wire()
    for start in range(0, len(wire), 1000):
        client.connection.receive(wire[start : start + 1000])
    assert kinds(client.answers()) == "T D C Z"


def test_close_drops_the_work_and_the_wait(client: WireClient) -> None:
    client.send(query("wait"))
    wait = client.session.waits[0]
    wait.callback = client.connection.turn
    client.connection.close()
    assert wait.callback is None
    wait.finish("late")
    assert client.session.closed == 1
    assert client.connection.output() == b""


def test_terminate_ends_even_running_work(client: WireClient) -> None:
    client.connection.receive(query("forever").to_wire())
    client.connection.terminate(PgError("57P01", "terminating connection due to administrator command"))
    answers = client.answers()
    assert kinds(answers).endswith("57P01")
    assert answers[-1].severity == "FATAL"  # type: ignore[attr-defined]
    assert client.connection.closing
