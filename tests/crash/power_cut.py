"""Power cuts: a journal under the recording file layer, and every disk that a cut may leave behind.

Two steps, each in a process of its own: `record DIR SEED` runs the workload (with record_io.c preloaded),
`replay LOG SCRATCH [MUTATION]` builds the disks, opens each and prints `cuts: N disks, M violations`. A
mutation switches a rule off, to show that it would be found: `no-flush` (flushes do nothing), `early-durable`
(durable is the tail).

The model of a disk. A write is volatile until a flush of its file, or at once durable when its descriptor
says so; a rename is volatile until the directory is flushed. A cut keeps everything durable and any subset of
what is volatile, and the writes that it keeps may be torn at a sector or a page. The order among volatile
writes is not kept.
"""

import os
import random
import shutil
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from journal.encoding import Sealed, seal
from journal.journal import LogError, Tail
from journal.lmdb_log import LmdbLog
from journal.record import Commit, Header, Record, Write

SECTOR, PAGE = 512, 4096


class Operation(NamedTuple):
    kind: str
    path: str
    offset: int
    data: bytes


class State(NamedTuple):
    """What the workload knew at one moment."""

    durable: int
    first: int


class Image(dict[str, bytearray]):
    """Files of a disk."""

    def copy(self) -> "Image":
        return Image({path: bytearray(data) for path, data in self.items()})

    def apply(self, operation: Operation, size: int | None = None) -> None:
        if operation.kind == "r":
            if operation.path in self:
                self[operation.data.decode()] = self.pop(operation.path)
            return
        data = operation.data if size is None else operation.data[:size]
        file = self.setdefault(operation.path, bytearray())
        end = operation.offset + len(data)
        if len(file) < end:
            file.extend(bytes(end - len(file)))
        file[operation.offset : end] = data


def workload(directory: Path, seed: int) -> None:
    """Create, append groups of many sizes, sync, trim, reopen; write into `marks` what was promised."""
    chance = random.Random(seed)
    directory.mkdir(exist_ok=True)
    marks = os.open(directory / "marks", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def mark(text: str) -> None:
        os.write(marks, text.encode() + b"\n")

    def promised(log: LmdbLog) -> None:
        mark(f"promised {log.durable} {log.first}")

    log = LmdbLog.open(directory / "journal", map_size=1 << 30)
    for round_number in range(3):
        tail = log.tail
        header = Header(tail.position + 1, round_number + 1, tail.hash)
        claim = seal(Record(header, "claim", bytes(16), "owner", []), tail.last_ts)
        mark(f"appended {claim.position} {claim.hash.hex()}")
        log.claim(tail.position, round_number + 1, "owner", bytes(16))
        promised(log)
        for _ in range(12):
            record = _group(log.tail, chance)
            mark(f"appended {record.position} {record.hash.hex()}")
            log.append(record)
            promised(log)
            if chance.random() < 0.3:
                log.sync()
                promised(log)
            if chance.random() < 0.25:
                log.trim(max(log.first, log.durable - 4), limit=3)
                promised(log)
        log.close()
        log = LmdbLog.open(directory / "journal", map_size=1 << 30)
        promised(log)
    log.close()


def _group(tail: Tail, chance: random.Random) -> Sealed:
    sizes = chance.choice([[50], [200] * 5, [3000], [9000], [900] * 20])
    commits = [
        Commit(chance.randbytes(16), 0, commit_ts, [Write(b"key", chance.randbytes(size), 3)], [])
        for commit_ts, size in enumerate(sizes, tail.last_ts + 1)
    ]
    return seal(Record(Header(tail.position + 1, tail.epoch, tail.hash), "commits", bytes(16), "o", commits))


def operations(log: bytes) -> Iterator[Operation]:
    """The entries of the log that record_io.c wrote."""
    at = 0
    while at < len(log):
        kind = log[at : at + 1].decode()
        (length,) = struct.unpack_from(">H", log, at + 1)
        path = log[at + 3 : at + 3 + length].decode()
        at += 3 + length
        offset, size = struct.unpack_from(">QI", log, at)
        at += 12
        yield Operation(kind, path, offset, log[at : at + size])
        at += size


class Disks:
    """Replays the operations and yields the disks that a cut after each one may leave."""

    def __init__(self, mutation: str) -> None:
        self.mutation = mutation
        self.durable = Image()
        self.volatile: list[Operation] = []
        self.hashes: dict[int, str] = {}
        self.state = State(0, 1)
        self.chance = random.Random(1)

    def step(self, operation: Operation) -> bool:
        """Take one operation over; returns whether it changed the disk."""
        if operation.path == "marks":
            self._mark(operation.data.decode().split())
            return False
        if not operation.path.endswith("data.mdb") and operation.kind != "f":
            return False
        if operation.kind == "f":
            if self.mutation != "no-flush" or operation.path != "journal/data.mdb":
                self._flush(operation.path)
        elif operation.kind == "s":
            self.durable.apply(operation)
        else:
            self.volatile.append(operation)
        return True

    def disks(self) -> Iterator[Image]:
        """Every volatile write lost, kept, kept alone, missing alone, torn; and a few random subsets."""
        writes = self.volatile
        yield self._with(writes)
        yield self._with([])
        if len(writes) > 1:
            for index in range(len(writes)):
                yield self._with([writes[index]])
                yield self._with(writes[:index] + writes[index + 1 :])
        for torn in self.chance.sample(writes, min(2, len(writes))):
            if torn.kind == "w":
                others = [write for write in writes if write is not torn]
                for unit in (SECTOR, PAGE):
                    size = self.chance.randrange(0, len(torn.data) + 1, unit) if len(torn.data) > unit else 0
                    yield self._with(others, torn, size)
                    yield self._with([], torn, size)
        for _ in range(2 if len(writes) > 2 else 0):
            yield self._with([write for write in writes if self.chance.random() < 0.5])

    def _with(self, writes: list[Operation], torn: Operation | None = None, size: int = 0) -> Image:
        image = self.durable.copy()
        for write in writes:
            image.apply(write)
        if torn is not None:
            image.apply(torn, size)
        return image

    def _flush(self, path: str) -> None:
        """A file's flush covers its writes, a directory's the renames into it."""
        kept = []
        for operation in self.volatile:
            renamed = operation.kind == "r"
            covered = os.path.dirname(operation.data.decode()) if renamed else operation.path
            if covered == path:
                self.durable.apply(operation)
            else:
                kept.append(operation)
        self.volatile = kept

    def _mark(self, words: list[str]) -> None:
        if words[0] == "appended":
            self.hashes[int(words[1])] = words[2]
        else:
            durable = max(self.hashes) if self.mutation == "early-durable" else int(words[1])
            self.state = State(durable, int(words[2]))


def violation(image: Image, disks: Disks, scratch: Path) -> str | None:
    """Open the disk and compare with what was promised; None when all is well."""
    directory = scratch / "journal"
    shutil.rmtree(directory, ignore_errors=True)
    for path, data in image.items():
        (scratch / path).parent.mkdir(parents=True, exist_ok=True)
        (scratch / path).write_bytes(data)
    state = disks.state
    try:
        log = LmdbLog.open(directory, map_size=1 << 30)
    except LogError as error:
        return f"does not open: {error}"
    try:
        if log.tail.position < state.durable:
            return f"record {state.durable} was durable, the log ends at {log.tail.position}"
        if log.first > state.durable + 1:
            return f"trimmed up to {log.first}, durable was {state.durable}"
        for entry in log.read(log.first, 1000):
            position = entry.record.header.position
            if entry.hash.hex() != disks.hashes[position]:
                return f"record {position} is not what was appended"
        log.claim(log.tail.position, log.tail.epoch + 1, "next", bytes(16))
        log.append(_group(log.tail, disks.chance))
        log.sync()
        log.verify()
    except LogError as error:
        return f"does not go on: {error}"
    finally:
        log.close()
    return None


def replay(recorded: Path, scratch: Path, mutation: str = "") -> int:
    """Cut after every operation; returns the number of violations."""
    disks = Disks(mutation)
    tried = violations = 0
    seen: set[tuple[State, int]] = set()
    for operation in operations(recorded.read_bytes()):
        disks.step(operation)
        for image in disks.disks():
            identity = hash(tuple((path, bytes(data)) for path, data in sorted(image.items())))
            if (disks.state, identity) in seen:
                continue
            seen.add((disks.state, identity))
            tried += 1
            found = violation(image, disks, scratch)
            if found is not None:
                violations += 1
                if violations <= 5:
                    sys.stdout.write(f"{disks.state}: {found}\n")
                if mutation:
                    break
        if mutation and violations:
            break
    sys.stdout.write(f"cuts: {tried} disks, {violations} violations\n")
    return violations


if __name__ == "__main__":
    if sys.argv[1] == "record":
        workload(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        sys.exit(1 if replay(Path(sys.argv[2]), Path(sys.argv[3]), *sys.argv[4:]) else 0)
