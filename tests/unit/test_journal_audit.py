"""The audit finds every broken promise and nothing else; records as JSON lines."""

import json

import pytest

from journal.audit import audit
from journal.encoding import decode, seal
from journal.journal import EMPTY, Entry, Tail
from journal.lines import lines
from journal.record import Commit, Header, Lock, LockClass, Record, Write

B, K, N, E = LockClass


def commit(number: int, start_ts: int, commit_ts: int, *writes: tuple[bytes, int], lock: int = 0) -> Commit:
    locks = [Lock(b"locked", lock)] if lock else []
    return Commit(
        number.to_bytes(16, "big"), start_ts, commit_ts, [Write(k, b"r", c) for k, c in writes], locks
    )


def chain(*groups: list[Commit] | None, after: Tail = EMPTY, epoch: int = 1) -> list[Entry]:
    """A log of these records; None is a claim."""
    entries: list[Entry] = []
    link, position = after.hash, after.position
    for group in groups:
        position += 1
        kind = "claim" if group is None else "commits"
        record = Record(Header(position, epoch, link), kind, bytes(16), "node", group or [])
        entries.append(Entry(*decode(seal(record).data)))
        link = entries[-1].hash
    return entries


def found(entries: list[Entry], anchor: Tail | None = None) -> list[tuple[str, int]]:
    return [(finding.invariant, finding.position) for finding in audit(entries, anchor).findings]


GOOD = [
    None,
    [commit(1, 0, 10, (b"a", E)), commit(2, 0, 11, (b"b", N), lock=K)],
    [commit(3, 10, 20, (b"a", N))],
]


def test_a_sound_log_is_proved_from_its_beginning() -> None:
    entries = chain(*GOOD)
    result = audit(entries, EMPTY)
    assert result.findings == []
    assert (result.first, result.last, result.records, result.commits) == (1, 3, 3, 3)
    assert (result.from_hash, result.last_hash, result.complete_from) == (bytes(32), entries[-1].hash, 0)


def test_a_trimmed_log_is_proved_from_its_anchor() -> None:
    entries = chain(*GOOD)
    anchor = Tail(2, 1, entries[1].hash, 11)
    result = audit(entries[2:], anchor)
    assert result.findings == []
    assert (result.first, result.from_hash, result.complete_from) == (3, entries[1].hash, 11)
    assert audit(entries[2:]).from_hash == entries[1].hash
    assert found(entries[2:], anchor._replace(hash=b"x" * 32)) == [("J1", 3)]
    assert found(entries[2:], anchor._replace(last_ts=20)) == [("J2", 3)]


def test_an_empty_log() -> None:
    result = audit([], Tail(5, 1, b"h" * 32, 9))
    assert (result.findings, result.first, result.last, result.last_hash) == ([], 6, 5, b"h" * 32)
    assert audit([]).records == 0


@pytest.mark.parametrize(
    ("second", "invariant"),
    [
        ([commit(9, 10, 11, (b"x", E))], "J2"),
        ([commit(9, 20, 20, (b"x", E))], "A2"),
        ([commit(1, 11, 20, (b"x", E))], "A9"),
        ([commit(9, 9, 20, (b"a", N))], "A4"),
        ([commit(9, 9, 20, (b"a", K))], "A4"),
        ([commit(9, 10, 20, (b"b", N))], "A4"),
        ([commit(9, 10, 20, (b"locked", E))], "A4"),
        ([commit(9, 20, 21, (b"x", E), (b"x", E))], "ATOMIC"),
    ],
)
def test_each_broken_promise_is_found(second: list[Commit], invariant: str) -> None:
    assert found(chain(GOOD[0], GOOD[1], second), EMPTY) == [(invariant, 3)]


@pytest.mark.parametrize("second", [commit(9, 10, 20, (b"a", N)), commit(9, 0, 20, (b"locked", N)),
                                    commit(9, 0, 20, (b"b", K)), commit(9, 0, 20, (b"a", B))])  # fmt: skip
def test_what_does_not_conflict_is_not_found(second: Commit) -> None:
    assert found(chain(GOOD[0], GOOD[1], [second]), EMPTY) == []


def test_a_missing_repeated_or_swapped_record_is_found() -> None:
    entries = chain(*GOOD)
    assert ("J1", 3) in found([entries[0], entries[2]], EMPTY)
    assert ("J1", 2) in found([entries[0], entries[1], entries[1]], EMPTY)
    assert ("J1", 3) in found([entries[0], entries[2], entries[1]], EMPTY)


def test_a_record_of_another_epoch_is_found() -> None:
    entries = chain(None, [commit(1, 0, 10, (b"a", E))])
    tail = Tail(2, 1, entries[1].hash, 10)
    assert found(entries + chain([commit(2, 10, 20, (b"a", E))], after=tail, epoch=2), EMPTY) == [("J4", 3)]
    assert found(entries + chain(None, after=tail, epoch=1), EMPTY) == [("J4", 3)]
    assert found(entries + chain(None, [commit(2, 10, 20, (b"a", E))], after=tail, epoch=2), EMPTY) == []


def test_records_as_json_lines() -> None:
    removed = Commit(b"\x01" * 16, 5, 8, [Write(b"\x00k", b"\xff", E), Write(b"g", None, B)], [Lock(b"p", K)])
    claim, group = map(json.loads, lines(chain(None, [removed])))
    assert (claim["position"], claim["kind"], claim["owner"], claim["commits"]) == (1, "claim", "node", [])
    assert group["previous"] == claim["hash"]
    assert group["commits"] == [
        {
            "txid": "01" * 16,
            "start_ts": 5,
            "commit_ts": 8,
            "writes": [
                {"op": "put", "key": "006b", "value": "ff", "lock": "exclusive"},
                {"op": "delete", "key": "67", "lock": "blind"},
            ],
            "locks": [{"key": "70", "lock": "key_share"}],
        }
    ]


def test_whoever_knows_rows_makes_the_lines_of_a_commit() -> None:
    entries = chain(*GOOD)
    made = lines(entries, lambda position, commit: [{"at": position, "ts": commit.commit_ts}])
    assert list(made) == ['{"at":2,"ts":10}', '{"at":2,"ts":11}', '{"at":3,"ts":20}']
