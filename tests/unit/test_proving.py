"""The proof from all journals of a region, and the records of one, for operators."""

import asyncio

import msgspec
import pytest

from journal.encoding import decode, seal
from journal.journal import EMPTY, Entry, Tail
from journal.record import Commit, Header, LockClass, Record, Write
from server.runtime.region import proving
from server.runtime.requests import ReadJournal, Refused
from tests.region_nodes import EAST, WEST, Nodes
from tests.unit.test_keeping import FAR, NEAR, commit, trimmed

FOREVER = 1 << 62


def carriers(nodes):
    return {journal: log.seen_from(EAST) for journal, log in nodes.logs.items()}


def chain(*groups):
    """Entries of a journal: a claim, then one record for each group of commits."""
    tail, entries = EMPTY, []
    for kind, commits in [("claim", []), *(("commits", group) for group in groups)]:
        header = Header(tail.position + 1, 1, tail.hash)
        sealed = seal(Record(header, kind, bytes(16), "x", list(commits)), tail.last_ts)
        record, digest = decode(sealed.data)
        entries.append(Entry(record, digest))
        tail = Tail(sealed.position, 1, sealed.hash, sealed.last_ts)
    return entries


def a_commit(number, start_ts, commit_ts, key=b"k"):
    return Commit(bytes([number]) * 16, start_ts, commit_ts, [Write(key, b"v", int(LockClass.EXCLUSIVE))], [])


def proved(journals):
    """The findings on journals that are read in turn."""
    proof = proving.Proof(dict.fromkeys(journals, EMPTY))
    rest = {journal: list(entries) for journal, entries in journals.items()}
    while wanted := proof.wanted():
        for journal, _position in wanted:
            entries, rest[journal] = rest[journal][:1], rest[journal][1:]
            proof.take(journal, entries)
    found = proof.result()
    return found["merged"], [each["invariant"] for each in found["findings"]]


def test_running_regions_are_proved_also_after_a_trim(tmp_path):
    async def work():
        async with Nodes(tmp_path) as nodes:
            east, west = nodes.nodes[EAST], nodes.nodes[WEST]
            for key in (NEAR, FAR, NEAR):
                await commit(east, key, b"1")
                await commit(west, key, b"2")
            first = await proving.audit(carriers(nodes), FOREVER)
            assert (first["ok"], first["findings"]) == (True, [])
            assert first["merged"] == first["commits"] >= 6
            await trimmed(nodes, EAST, WEST)
            await commit(west, NEAR, b"3")
            again = await proving.audit(carriers(nodes), FOREVER)
            assert (again["ok"], again["findings"]) == (True, [])
            assert all(each["first"] > 1 for each in again["journals"])
            assert again["commits"] < first["commits"] + 2

    asyncio.run(work())


def test_two_winners_in_two_journals_are_found():
    journals = {0: chain([a_commit(1, 5, 10)]), 1: chain([a_commit(2, 8, 20)])}
    assert proved(journals) == (2, ["A4"])


def test_one_after_the_other_in_two_journals_is_right():
    journals = {0: chain([a_commit(1, 5, 30)]), 1: chain([a_commit(2, 5, 20)], [a_commit(3, 30, 40)])}
    assert proved(journals) == (3, ["A4"]), "the first of journal 0 began before the one at 20"
    journals[0] = chain([a_commit(1, 20, 30)])
    assert proved(journals) == (3, [])


def test_a_transaction_in_two_journals_is_found():
    assert proved({0: chain([a_commit(1, 5, 10, b"a")]), 1: chain([a_commit(1, 5, 20, b"b")])}) == (2, ["A9"])


def test_a_journal_that_skips_is_found():
    entries = chain([a_commit(1, 5, 10)], [a_commit(2, 10, 20)])
    _merged, findings = proved({0: [entries[0], entries[2]], 1: chain()})
    assert set(findings) == {"J1", "X1"}


def test_later_commits_do_not_keep_the_proof_from_its_end():
    proof = proving.Proof({0: EMPTY}, until=15)
    entries = chain([a_commit(1, 5, 10)], [a_commit(2, 10, 20)], [a_commit(3, 20, 30)])
    for entry in entries[:3]:
        assert proof.wanted()
        proof.take(0, [entry])
    assert proof.wanted() == []


def test_records_of_one_journal(tmp_path):
    async def read(nodes, request):
        return [line async for line in proving.records(carriers(nodes), request)]

    async def work():
        async with Nodes(tmp_path) as nodes:
            at = await commit(nodes.nodes[EAST], FAR, b"1")
            found = await read(nodes, ReadJournal(records=True, journal=1))
            assert found[0]["position"] == 1
            assert at in [each["commit_ts"] for record in found for each in record["commits"]]
            assert msgspec.json.encode(found)
            rest = await read(nodes, ReadJournal(start=2, records=True, journal=1))
            assert [each["position"] for each in rest][:1] == [2]
            for wrong, text in (
                (ReadJournal(records=True), "--journal N is wanted, one of 0, 1"),
                (ReadJournal(records=True, journal=2), "one of 0, 1"),
                (ReadJournal(journal=1), "--records one of them"),
            ):
                with pytest.raises(Refused, match=text):
                    await read(nodes, wrong)

    asyncio.run(work())
