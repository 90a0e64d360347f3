"""What passes between nodes: messages, questions, losses, bounds, renewal, dead peers, exact counters."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import uvloop

from journal.broken import Broken
from server.runtime.net import transport, wire
from server.runtime.net.asking import Ended, Expired, Lost, Refused, Reply
from server.runtime.net.faults import Cut, Heal, SetRoundTrip
from server.runtime.net.sharing import backoff
from server.runtime.net.traffic import Count, Flow, Loss
from server.runtime.waiting import outcome
from tests.networks import FAST, PATIENT, VOCABULARY, Note, Party, Sum, Total, between, connected, inject
from tests.nodes import until


def east_and_west(**settings: Any) -> Callable[[], list[Party]]:
    given = replace(FAST, **settings)
    return lambda: [Party("east", "a", given), Party("west", "c", given)]


@pytest.mark.parametrize("loop", [None, uvloop.new_event_loop])
def test_messages_arrive_whole_and_in_order_and_questions_are_answered(loop):
    async def work(a: Party, c: Party) -> None:
        notes = [Note(number, b"x" * (number * 997 % 200_000)) for number in range(60)]
        for note in notes:
            assert a.transport.post("c", note) is None
            await asyncio.sleep(0)
        answers = [a.transport.ask("c", Sum(number, 1), PATIENT) for number in range(100)]
        back = c.transport.ask("a", Sum(20, 22), PATIENT)
        assert [(await outcome(answer)).value for answer in answers] == list(range(1, 101))
        assert await outcome(back) == Total(42)
        assert c.heard == [("a", note) for note in notes]

    between(east_and_west(), work, loop)


def test_what_a_turn_sends_leaves_in_one_write():
    async def work(a: Party, c: Party) -> None:
        (link,) = c.transport._accepted["a"]
        pieces: list[bytes] = []
        receive = link.data_received
        link.data_received = lambda data: (pieces.append(data), receive(data))  # type: ignore[method-assign]
        for number in range(50):
            a.transport.post("c", Note(number))
        await until(lambda: len(c.heard) == 50)
        assert len([piece for piece in pieces if b"note" in piece]) == 1

    between(east_and_west(ping_s=PATIENT), work)


def test_losses_are_told_at_once():
    async def work(a: Party, c: Party) -> None:
        post, lost = a.transport.post, a.transport.traffic.lost
        assert post("nobody", Note(1)) is Loss.UNREACHABLE
        assert post("c", Note(1, b"x" * (1 << 20))) is Loss.TOO_LARGE
        question = a.transport.ask("c", Sum(1 << 60, 1), PATIENT)
        assert await outcome(question) == Total((1 << 60) + 1)
        # Nothing is written before the turn ends: what does not fit into the queue is lost, and nothing else.
        fates = [post("c", Note(number, b"x" * 900_000)) for number in range(10)]
        assert fates == [None] * 9 + [Loss.OVERFLOW]
        refused = a.transport.ask("c", Sum(1, 2), PATIENT)
        assert await outcome(refused) == Total(3), "small ones still fit"
        await until(lambda: len(c.heard) == 9)
        assert post("c", Note(11)) is None
        assert lost == {Loss.UNREACHABLE: 1, Loss.TOO_LARGE: 1, Loss.OVERFLOW: 1, Loss.CUT: 0}
        with pytest.raises(Lost, match="unreachable"):
            a.transport.ask("nobody", Sum(1, 2), PATIENT).value()

    between(east_and_west(ping_s=PATIENT), work)


def test_questions_are_bounded_at_both_ends():
    async def work(a: Party, c: Party) -> None:
        open_here: list[Reply] = []
        c.transport.on_ask(Sum, lambda _sender, _question, reply: open_here.append(reply))
        questions = [a.transport.ask("c", Sum(1, number), PATIENT) for number in range(4)]
        with pytest.raises(Lost, match="overflow"):
            questions[3].value()
        await until(lambda: len(open_here) == 3)
        a.transport._link("c")._questions.clear()  # type: ignore[union-attr]
        with pytest.raises(Refused, match="too many"):
            await outcome(a.transport.ask("c", Sum(1, 1), PATIENT))

    between(east_and_west(questions=3), work)


def test_a_question_expires_or_is_withdrawn_and_the_other_end_knows():
    async def work(a: Party, c: Party) -> None:
        replies: list[Reply] = []
        told: list[int] = []

        def answer_later(_sender: object, question: Sum, reply: Reply) -> None:
            reply.withdrawn = lambda: told.append(question.a)
            replies.append(reply)

        c.transport.on_ask(Sum, answer_later)
        short = a.transport.ask("c", Sum(1, 0), 0.01)
        with pytest.raises(Expired):
            await outcome(short)
        withdrawn = a.transport.ask("c", Sum(2, 0), PATIENT)
        await until(lambda: len(replies) == 2)
        withdrawn.withdraw()
        withdrawn.withdraw()
        await until(lambda: told == [1, 2])
        assert [reply.is_withdrawn for reply in replies] == [True, True]
        replies[1].answer(Total(5))
        kept = a.transport.ask("c", Sum(3, 0), PATIENT)
        await until(lambda: len(replies) == 3)
        replies[2].answer(Total(3))
        replies[2].answer(Total(4))
        assert await outcome(kept) == Total(3)
        assert Flow("west", "east", "total") in c.transport.traffic.sent
        assert c.transport.traffic.sent[Flow("west", "east", "total")].messages == 1

    between(east_and_west(), work)


def test_a_deadline_holds_where_it_is_answered_too():
    async def work(a: Party, c: Party) -> None:
        replies: list[Reply] = []
        c.transport.on_ask(Sum, lambda _sender, _question, reply: replies.append(reply))
        question = a.transport.ask("c", Sum(1, 0), 0.05)
        await until(lambda: replies)
        inject(Cut("east", "west"), a)  # so that the withdrawal is lost
        await until(lambda: replies[0].is_withdrawn)
        with pytest.raises(Expired):
            await outcome(question)

    between(east_and_west(silent_pings=1000), work)


def test_a_handler_may_refuse_and_an_answer_may_be_too_large():
    async def work(a: Party, c: Party) -> None:
        c.transport.on_ask(Sum, lambda _sender, _question, reply: reply.refuse("not the owner"))
        with pytest.raises(Refused, match="not the owner"):
            await outcome(a.transport.ask("c", Sum(1, 0), PATIENT))
        c.transport.on_ask(Sum, lambda _sender, _question, reply: reply.answer(Total(1, b"x" * (1 << 20))))
        with pytest.raises(Refused, match="too large"):
            await outcome(a.transport.ask("c", Sum(1, 0), PATIENT))

    between(east_and_west(), work)


def test_questions_end_with_their_connection_and_the_next_one_comes_up():
    async def work(a: Party, c: Party) -> None:
        replies: list[Reply] = []
        c.transport.on_ask(Sum, lambda _sender, _question, reply: replies.append(reply))
        question = a.transport.ask("c", Sum(1, 0), PATIENT)
        await until(lambda: replies)
        c.transport._accepted["a"][0].close()
        with pytest.raises(Ended):
            await outcome(question)
        await until(lambda: replies[0].is_withdrawn)
        await connected(a, c)
        assert a.changes == [("c", True), ("c", False), ("c", True)]
        assert (a.transport.traffic.connected, a.transport.traffic.broken_off) == (2, 1)

    between(east_and_west(), work)


def test_connections_are_renewed_and_nothing_is_lost():
    async def work(a: Party, c: Party) -> None:
        late: list[Reply] = []

        def answer(_sender: object, question: Sum, reply: Reply) -> None:
            if question.b:
                reply.answer(Total(question.a))
            else:
                late.append(reply)

        c.transport.on_ask(Sum, answer)
        old = a.transport._link("c")
        waits = a.transport.ask("c", Sum(7, 0), PATIENT)
        sent = 0
        while a.transport.traffic.renewed < 3:
            sent += 1
            assert a.transport.post("c", Note(sent)) is None
            assert await outcome(a.transport.ask("c", Sum(sent, 1), PATIENT)) == Total(sent)
        assert old is not None
        assert not old.over.done(), "it has a question open"
        late[0].answer(Total(7))
        assert await outcome(waits) == Total(7)
        await until(lambda: old.over.done())
        await until(lambda: len(c.heard) == sent)
        assert sorted(note.number for _sender, note in c.heard) == list(range(1, sent + 1))
        assert a.transport.traffic.broken_off == 0
        assert a.changes == [("c", True)]

    between(east_and_west(renew_s=0.05), work)


def test_an_old_connection_does_not_wait_for_ever():
    async def work(a: Party, c: Party) -> None:
        c.transport.on_ask(Sum, lambda _sender, _question, _reply: None)
        question = a.transport.ask("c", Sum(7, 0), PATIENT)
        with pytest.raises(Ended, match="drained"):
            await outcome(question)
        assert a.transport.is_connected("c")

    between(east_and_west(renew_s=0.05, drain_s=0.05), work)


def test_a_peer_that_says_nothing_is_dead():
    async def work(a: Party, c: Party) -> None:
        inject(Cut("west", "east", one_way=True), c)
        question = a.transport.ask("c", Sum(1, 0), PATIENT)
        with pytest.raises(Ended, match="nothing was heard"):
            await outcome(question)
        assert a.transport.traffic.silent >= 1
        inject(Heal(), c)
        await connected(a, c)
        assert await outcome(a.transport.ask("c", Sum(1, 1), PATIENT)) == Total(2)

    between(east_and_west(), work)


def test_a_cut_loses_messages_without_a_word_and_heals():
    async def work(a: Party, b: Party, c: Party) -> None:
        inject(Cut("east"), a, b, c)
        assert a.transport.post("c", Note(1)) is None, "nobody knows yet"
        assert await outcome(a.transport.ask("b", Sum(1, 1), PATIENT)) == Total(2), (
            "the region itself is whole"
        )
        await until(lambda: ("c", False) in a.changes and ("a", False) in c.changes)
        assert a.transport.post("c", Note(2)) is Loss.UNREACHABLE
        for party, to in ((a, "c"), (c, "a")):
            with pytest.raises(StopIteration) as refused:
                party.transport._peers[to]._dial().send(None)
            assert refused.value.value is None, "not even tried"
        before = (a.transport.traffic.connected, c.transport.traffic.connected)
        for _ in range(20):
            assert await outcome(a.transport.ask("b", Sum(1, 1), PATIENT)) == Total(2)
            await asyncio.sleep(0.005)
        assert (a.transport.traffic.connected, c.transport.traffic.connected) == before
        inject(Heal("west"), a, b, c)
        await connected(a, b, c)
        assert a.transport.post("c", Note(3)) is None
        await until(lambda: c.heard)
        assert c.heard == [("a", Note(3))]
        assert a.transport.traffic.lost[Loss.CUT] > 0

    between(lambda: [Party("east", "a"), Party("east", "b"), Party("west", "c")], work)


def test_a_round_trip_takes_its_time_between_regions_only_and_keeps_the_order():
    async def work(a: Party, b: Party, c: Party) -> None:
        loop = asyncio.get_running_loop()

        async def time_of(party: Party, to: str) -> float:
            begun = loop.time()
            await outcome(party.transport.ask(to, Sum(1, 1), PATIENT))
            return loop.time() - begun

        inject(SetRoundTrip("east", "west", 120.0), a, b, c)
        for party, to in ((a, "c"), (c, "b")):
            # Each end lets go what is due within half a millisecond, and loops count whole ones.
            assert await time_of(party, to) > 0.117
        inject(SetRoundTrip("east", "west", 2000.0), a, b, c)
        for number in range(100):
            if number == 50:
                inject(SetRoundTrip("east", "west", 0.0), a, b, c)
            a.transport.post("c", Note(number))
        near = a.transport.ask("b", Sum(1, 1), PATIENT)
        assert await outcome(near) == Total(2)
        assert c.heard == [], "the near one overtakes"
        await until(lambda: len(c.heard) == 100)
        assert [note.number for _sender, note in c.heard] == list(range(100))

    slow = replace(FAST, ping_s=PATIENT)
    between(
        lambda: [Party(region, node, slow) for region, node in (("east", "a"), ("east", "b"), ("west", "c"))],
        work,
    )


def test_what_is_on_its_way_is_lost_in_a_cut():
    async def work(a: Party, c: Party) -> None:
        inject(SetRoundTrip("east", "west", 40.0), a)
        a.transport.post("c", Note(1))
        inject(Cut("east", "west"), a)
        await until(lambda: a.transport.traffic.lost[Loss.CUT])
        inject(Heal(), a)
        await connected(a, c)
        a.transport.post("c", Note(2))
        await until(lambda: c.heard)
        assert c.heard == [("a", Note(2))]

    between(east_and_west(ping_s=PATIENT), work)


def test_delayed_bytes_count_for_the_queue():
    async def work(a: Party, _c: Party) -> None:
        inject(SetRoundTrip("east", "west", 50.0), a)
        fates = [a.transport.post("c", Note(1, b"x" * 900_000)) for _ in range(10)]
        assert fates == [None] * 9 + [Loss.OVERFLOW]

    between(east_and_west(), work)


def test_counters_are_exact_at_both_ends():
    async def work(a: Party, b: Party, c: Party) -> None:
        for number in range(5):
            a.transport.post("c", Note(number, b"12345"))
        await outcome(a.transport.ask("b", Sum(1, 1), PATIENT))
        assert a.transport.traffic.messages_between_regions() == 5
        await outcome(a.transport.ask("c", Sum(1, 1), PATIENT))
        note = len(wire.encode(wire.Post("note", wire.msgspec.Raw(wire.encode(Note(1, b"12345")))))) + 4
        sent, received = a.transport.traffic.sent, c.transport.traffic.received
        assert sent[Flow("east", "west", "note")] == Count(5, 5 * note)
        assert received[Flow("east", "west", "note")] == Count(5, 5 * note)
        assert (sent[Flow("east", "west", "sum")].messages, sent[Flow("east", "east", "sum")].messages) == (
            1,
            1,
        )
        back = Flow("west", "east", "total")
        assert c.transport.traffic.sent[back] == a.transport.traffic.received[back]
        assert a.transport.traffic.messages_between_regions() == 6
        assert c.transport.traffic.messages_between_regions() == 1
        assert b.transport.traffic.messages_between_regions() == 0

    between(lambda: [Party("east", "a"), Party("east", "b"), Party("west", "c")], work)


def test_an_older_build_drops_what_it_does_not_know_and_says_so():
    class Newer(wire.msgspec.Struct, frozen=True, array_like=True):
        field: int

    async def work(a: Party, c: Party) -> None:
        assert a.transport.post("c", Newer(1)) is None
        with pytest.raises(Refused, match="not understood"):
            await outcome(a.transport.ask("c", Newer(1), PATIENT))
        with pytest.raises(Refused, match="not understood"):
            await outcome(a.transport.ask("c", Note(1), PATIENT))
        assert a.transport.post("c", Note("text")) is None  # type: ignore[arg-type]
        assert a.transport.post("c", Note(1)) is None
        await until(lambda: c.heard)
        assert c.transport.traffic.unknown == 4
        assert a.transport.traffic.broken_off == 0

    newer = {**VOCABULARY, "newer": Newer}
    between(lambda: [Party("east", "a", vocabulary=newer), Party("west", "c")], work)


def test_a_broken_invariant_in_a_handler_stops_the_node_and_answers_nobody():
    async def work(a: Party, c: Party) -> None:
        def handle(*_: object) -> None:
            raise Broken("injected")

        c.transport.on_ask(Sum, handle)
        with pytest.raises(Ended):
            await outcome(a.transport.ask("c", Sum(1, 1), PATIENT))
        assert [str(each) for each in c.failures] == ["injected"]
        c.failures.clear()

    between(east_and_west(), work)


def test_stopping_answers_what_is_open():
    async def work(a: Party, c: Party) -> None:
        replies: list[Reply] = []
        c.transport.on_ask(Sum, lambda _sender, _question, reply: replies.append(reply))
        question = a.transport.ask("c", Sum(1, 1), PATIENT)
        await until(lambda: replies)
        stopping = asyncio.ensure_future(c.transport.stop(PATIENT))
        await asyncio.sleep(0.01)
        assert not stopping.done()
        replies[0].answer(Total(2))
        assert await outcome(question) == Total(2)
        await stopping

    between(east_and_west(), work)


def test_a_node_that_is_none_any_more_is_cut_off():
    async def work(a: Party, c: Party) -> None:
        a.transport.connect([])
        await until(lambda: not c.transport.is_connected("a"))
        assert a.transport.post("c", Note(1)) is Loss.UNREACHABLE
        await until(lambda: a.transport.traffic.refused)
        assert not a.transport._accepted["c"]
        a.transport.connect([c.address])
        await connected(a, c)

    between(east_and_west(), work)


def test_connections_of_one_node_are_bounded(monkeypatch):
    monkeypatch.setattr(transport, "LINKS_PER_NODE", 4)

    async def work(a: Party, c: Party) -> None:
        first = c.transport._accepted["a"][0]
        peers = [a.transport._peers["c"]]
        made = [await peers[0]._dial() for _ in range(4)]
        await until(lambda: first.over.done() and len(c.transport._accepted["a"]) <= 4)
        for link in made:
            assert link is not None
            link.close()

    between(east_and_west(), work)


def test_rests_grow_to_their_limit():
    rests = [backoff(FAST, failures, 0.0) for failures in range(8)]
    assert rests[:4] == [0.002, 0.004, 0.008, 0.016]
    assert rests[4:] == [0.02] * 4
    assert backoff(FAST, 9, 1.0) == 0.01


def test_status_names_the_others():
    async def work(a: Party, c: Party) -> None:
        await until(lambda: a.transport.status()[0].rtt_s is not None)
        (status,) = a.transport.status()
        assert (status.node, status.is_connected) == ("c", True)

    between(east_and_west(), work)
