"""A replica's process killed at any moment goes on where it was; other processes read whole transactions."""

import random
import subprocess
import sys
from pathlib import Path

from storage.replica import Reader, Replica
from tests.replicas import apply

ROOT = Path(__file__).parents[2]
KEYS = [b"\0\0\0\1%d" % i for i in range(20)]
END = b"\xff"

WRITER = """
import sys
from storage.replica import Replica
from tests.replicas import apply
from tests.crash.test_replica_kill import writes
replica = Replica.open(sys.argv[1], retention_ns=50)
assert not replica.needs_rebuild
print("ready", replica.applied_position, flush=True)
while True:
    ts = replica.applied_ts + 1
    apply(replica, ts, writes(ts), now=ts)
    print(ts, flush=True)
"""

READER = """
import sys
from storage.replica import Reader, TooOld
reader = Reader.open(sys.argv[1])
for line in sys.stdin:
    word, *arguments = line.split()
    if word == "refresh":
        print(*reader.refresh())
    elif word == "release":
        print(reader.release())
    else:
        try:
            key, ts = arguments[0].encode(), int(arguments[1])
            rows, rest = reader.scan(b"", b"\\xff", ts)
            print(reader.get(key, ts), len(rows), rest, reader.count(b"", b"\\xff", ts)[0])
        except TooOld:
            print("too old")
    sys.stdout.flush()
"""


def writes(ts: int) -> dict[bytes, bytes | None]:
    """What the transaction at `ts` writes: all keys get the same row, or all go."""
    row = None if ts % 7 == 0 else b"%d" % ts * 100
    return dict.fromkeys([*KEYS, b"long" * 500], row)


def start(program: str, path: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", program, str(path)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_kill_at_random_moments(tmp_path):
    choose = random.Random(7)
    applied = 0
    for _ in range(8):
        with start(WRITER, tmp_path / "storage") as writer:
            assert writer.stdout.readline().startswith("ready")
            for _ in range(choose.randrange(1, 300)):
                applied = int(writer.stdout.readline())
            writer.kill()
            applied = max([applied, *(int(line) for line in writer.stdout.read().split("\n")[:-1])])
        replica = Replica.open(tmp_path / "storage", retention_ns=50)
        assert not replica.needs_rebuild
        assert applied <= replica.applied_ts <= applied + 1
        assert replica.applied_hash == replica.applied_ts.to_bytes(32, "big")
        assert replica.applied_position == replica.applied_ts
        assert replica.horizon >= replica.applied_ts - 100
        for ts in range(max(replica.horizon, replica.applied_ts - 40), replica.applied_ts + 1):
            expected = [row for row in writes(ts).values() if row]
            assert replica.scan(b"", END, ts) == (expected, None)
        mirror = Replica.open(tmp_path / "mirror")
        apply(mirror, replica.applied_ts, writes(replica.applied_ts))
        assert mirror.content_hash(replica.applied_ts) == replica.content_hash(replica.applied_ts)
        mirror.close()
        Replica.wipe(tmp_path / "mirror")
        replica.close()


def test_a_reader_in_another_process(tmp_path):
    replica = Replica.open(tmp_path / "storage", retention_ns=0)
    replica.apply([], 1, bytes(32), 0, extra=b"v1")
    apply(replica, 10, {b"a": b"1", b"b": b"1"})
    with start(READER, tmp_path / "storage") as process:

        def ask(line: str) -> str:
            print(line, file=process.stdin, flush=True)
            return process.stdout.readline().strip()

        assert ask("refresh") == "10 2 b'v1'"
        apply(replica, 20, {b"a": b"2", b"b": None})
        assert ask("read a 10") == "b'1' 2 None 2"
        assert ask("refresh") == "20 3 b'v1'"
        assert ask("read a 10") == "b'1' 2 None 2"
        assert ask("read a 20") == "b'2' 1 None 1"
        apply(replica, 30, {b"a": b"3"}, now=20)
        assert ask("read a 10") == "b'1' 2 None 2", "its own snapshot still holds what was trimmed"
        ask("release")
        assert ask("read a 10") == "too old"
        assert ask("read a 20") == "b'2' 1 None 1"
        process.stdin.close()
    replica.close()


def test_a_reader_needs_an_environment_that_exists(tmp_path):
    Replica.open(tmp_path / "storage").close()
    reader = Reader.open(tmp_path / "storage")
    assert reader.refresh() == (0, 0, b"")
    reader.close()
