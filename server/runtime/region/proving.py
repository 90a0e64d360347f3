"""A region's journals for operators: the records of one, and the proof from all of them (`opendsql journal`, `audit`).

Each journal is proved by itself (journal.audit: order, one owner, whole transactions). Who was first is a question to
all of them, for a key's range may have moved: their commits are merged in the order of time (journal.crossbar), as
every replica does, up to the time at which the proof began.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

from journal import lines
from journal.audit import Auditor, Conflicts, Finding
from journal.broken import Broken
from journal.crossbar import FOREVER, Announcement, Crossbar, Mark
from journal.journal import Damaged, Entry, Tail, Trimmed
from journal.record import Commit, Position, Timestamp
from server.runtime.region.carrier import Carrier, Unreachable
from server.runtime.requests import ReadJournal, Refused

READ_RECORDS = 64
TAKEN = 512


async def records(carriers: Mapping[int, Carrier], request: ReadJournal) -> AsyncIterator[dict[str, Any]]:
    """What `opendsql journal` prints of one of the journals, one object per record. Raises `Refused`."""
    if request.journal is None or request.journal not in carriers:
        raise Refused(f"--journal N is wanted, one of {', '.join(map(str, sorted(carriers)))}")
    if not request.records:
        raise Refused(
            "changes of rows lie in several journals here: --format cdc prints those of all, --records one of them"
        )
    carrier = carriers[request.journal]
    try:
        position = request.start or (await carrier.anchor()).position + 1
        while True:
            entries = await carrier.read(position, READ_RECORDS)
            if isinstance(entries, Trimmed):
                raise Refused(f"the journal begins at record {entries.first}")
            for entry in entries:
                yield lines.record_object(entry)
            if entries:
                position = entries[-1].record.header.position + 1
            elif request.follow:
                await carrier.changed(position - 1)
            else:
                return
    except Unreachable as error:
        raise Refused(f"journal {request.journal} cannot be reached: {error}") from error


async def audit(carriers: Mapping[int, Carrier], until: Timestamp) -> dict[str, Any]:
    """What was proved of all journals, and what is wrong; what was committed after `until` is not waited for.

    Raises `Refused` if a journal can't be read.
    """
    try:
        proof = Proof({journal: await carrier.anchor() for journal, carrier in carriers.items()}, until)
        while wanted := proof.wanted():
            for journal, position in wanted:
                entries = await _read(carriers[journal], position, proof, journal)
                await asyncio.to_thread(proof.take, journal, entries)
    except Unreachable as error:
        raise Refused(f"a journal cannot be reached: {error}") from error
    return proof.result()


async def _read(carrier: Carrier, position: Position, proof: "Proof", journal: int) -> list[Entry]:
    try:
        entries = await carrier.read(position, READ_RECORDS)
    except Damaged as error:
        proof.damaged(journal, error)
        return []
    if isinstance(entries, Trimmed):
        raise Refused(f"journal {journal} was trimmed meanwhile: try again")
    return entries


class Proof:
    """The proof as it grows; its memory grows with the keys and transactions seen, as journal.audit's."""

    def __init__(self, anchors: Mapping[int, Tail], until: Timestamp = FOREVER) -> None:
        """`anchors`: what stands before the oldest record of each journal; a later commit than `until` ends it."""
        self._until = until
        self._anchors = dict(sorted(anchors.items()))
        self._auditors = {
            journal: Auditor(anchor, is_only=False) for journal, anchor in self._anchors.items()
        }
        self._findings: list[tuple[int | None, Finding]] = []
        self._conflicts = Conflicts(self._found)
        self._crossbar: Crossbar | None = Crossbar([], self._mark())
        self._next = {journal: anchor.position + 1 for journal, anchor in self._anchors.items()}
        self._ended: set[int] = set()
        self._commits = 0

    def wanted(self) -> list[tuple[int, Position]]:
        """The journals that are to be read on, and from where; those that hold back the others first."""
        open_ones = [journal for journal in self._next if journal not in self._ended]
        if self._crossbar is not None:
            able = {journal for journal, _position in self._crossbar.wanted()}
            open_ones = [journal for journal in open_ones if journal in able]
        return [(journal, self._next[journal]) for journal in open_ones]

    def take(self, journal: int, entries: list[Entry]) -> None:
        """What follows in `journal`; nothing: it ends there."""
        for entry in entries:
            self._auditors[journal].add(entry)
            self._next[journal] = entry.record.header.position + 1
        is_end = not entries or any(each.commit_ts > self._until for each in entries[-1].record.commits)
        if is_end:
            self._ended.add(journal)
        if self._crossbar is None:
            return
        try:
            self._crossbar.feed(journal, entries)
            if is_end:
                last = self._next[journal] - 1
                self._crossbar.announce(Announcement(journal, 0, last, FOREVER))
            self._merge(self._crossbar)
        except Broken as error:
            # The journals contradict themselves, not this program: that is what is looked for.
            self._findings.append((journal, Finding("X1", self._next[journal] - 1, b"", str(error))))
            self._crossbar = None

    def damaged(self, journal: int, error: Damaged) -> None:
        """`journal` can't be read any further."""
        self._findings.append((journal, Finding("J1", error.position, b"", str(error))))

    def result(self) -> dict[str, Any]:
        """As `opendsql audit --json` prints it."""
        audits = {journal: auditor.result() for journal, auditor in self._auditors.items()}
        findings = list(self._findings)
        for journal, audit in audits.items():
            findings += [(journal, each) for each in audit.findings]
        return {
            "ok": not findings,
            "complete_from": self._complete_from(),
            "records": sum(audit.records for audit in audits.values()),
            "commits": sum(audit.commits for audit in audits.values()),
            "merged": self._commits,
            "journals": [
                {
                    "journal": journal,
                    "first": audit.first,
                    "last": audit.last,
                    "from_hash": audit.from_hash.hex(),
                    "last_hash": audit.last_hash.hex(),
                }
                for journal, audit in audits.items()
            ],
            "findings": [{"journal": journal, **lines.finding_object(each)} for journal, each in findings],
        }

    def _merge(self, crossbar: Crossbar) -> None:
        crossbar.take_notes()
        while items := crossbar.take(TAKEN):
            for item in items:
                if isinstance(item.content, Commit):
                    self._commits += 1
                    self._conflicts.add(item.position, item.content)

    def _mark(self) -> Mark:
        anchors = self._anchors.items()
        return Mark(
            tuple((journal, anchor.position) for journal, anchor in anchors),
            (0, 0, 0, 0),
            tuple((journal, anchor.last_ts) for journal, anchor in anchors),
            tuple((journal, anchor.hash) for journal, anchor in anchors),
        )

    def _complete_from(self) -> Timestamp:
        return max((anchor.last_ts for anchor in self._anchors.values()), default=0)

    def _found(self, invariant: str, position: Position, txid: bytes, text: str) -> None:
        self._findings.append((None, Finding(invariant, position, txid, text)))
