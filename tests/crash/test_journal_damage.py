"""Torn and bit-flipped journals: found when the directory is opened, never served."""

import random
import shutil
import subprocess
import sys

import pytest

from journal.journal import Damaged
from journal.lmdb_log import LmdbLog
from server.runtime.node import Node
from server.runtime.stores import Stores
from tests.nodes import Clock, places, run, write
from tests.serving_process import ROOT

pytestmark = pytest.mark.slow

RECORDS = 8


async def _fill(node: Node) -> None:
    for number in range(RECORDS):
        await write(node, {f"k{number}": bytes([number]) * random.Random(number).randrange(10, 9000)})


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    data = tmp_path_factory.mktemp("damage") / "data"
    run(data, _fill)
    return data


def _refused(data) -> None:
    with pytest.raises(Damaged):
        Stores.open(data, clock=Clock())


def test_any_flipped_bit_of_the_last_records(original, tmp_path):
    choose = random.Random(11)
    data = tmp_path / "data"
    shutil.copytree(original, data)
    path = data / "journal" / "data.mdb"
    whole = path.read_bytes()
    journal = LmdbLog.open(data / "journal")
    last = (RECORDS + 1, RECORDS + 2)
    sizes = {position: journal.size(position) - journal.size(position + 1) for position in last}
    journal.close()
    for position in last:
        copies = places(whole, position)
        for _ in range(40):
            offset, bit = choose.randrange(sizes[position]), 1 << choose.randrange(8)
            content = bytearray(whole)
            for place in copies:
                content[place + offset] ^= bit
            path.write_bytes(content)
            _refused(data)
    path.write_bytes(whole)
    Stores.open(data, clock=Clock()).close()


def test_a_torn_last_record(original, tmp_path):
    """Its head was written, the rest was not: what a disk does that reorders and loses power."""
    data = tmp_path / "data"
    shutil.copytree(original, data)
    path = data / "journal" / "data.mdb"
    content = bytearray(path.read_bytes())
    for place in places(content, RECORDS + 2):
        content[place + 100 : place + 160] = bytes(60)
    path.write_bytes(content)
    _refused(data)


FLIPS = """
import os, random, shutil, sys, time
from pathlib import Path
from journal.journal import LogError
from server.runtime.stores import Stores, Unrecoverable
original, work = Path(sys.argv[1]), Path(sys.argv[2])
whole = (original / "journal" / "data.mdb").read_bytes()
choose = random.Random(int(sys.argv[3]))

def served():
    stores = Stores.open(work, clock=time.time_ns)
    records = [entry.hash for first in range(1, stores.journal.tail.position + 1)
               for entry in stores.journal.read(first, 1)]
    stores.close()
    return records

def outcome():
    try:
        return served()
    except (LogError, Unrecoverable) as error:
        return str(error)

shutil.copytree(original, work)
expected = served()
counts = {"refused": 0, "unharmed": 0, "died": 0}
for _ in range(int(sys.argv[4])):
    shutil.rmtree(work)
    shutil.copytree(original, work)
    content = bytearray(whole)
    content[choose.randrange(len(content))] ^= 1 << choose.randrange(8)
    (work / "journal" / "data.mdb").write_bytes(content)
    child = os.fork()
    if child == 0:
        code = 3
        try:
            result = outcome()
            code = 1 if isinstance(result, str) else 0 if result == expected else 2
        finally:
            os._exit(code)
    status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status):
        counts["died"] += 1
        continue
    code = os.WEXITSTATUS(status)
    if code > 1:
        sys.exit("served something else" if code == 2 else "an error without a name")
    counts["unharmed" if code == 0 else "refused"] += 1
print(counts["refused"], counts["unharmed"], counts["died"])
"""


def test_any_flipped_bit_of_the_whole_file(original, tmp_path):
    """LMDB's own pages have no checksum: whatever it makes of them, wrong records are not served."""
    ended = subprocess.run(
        [sys.executable, "-c", FLIPS, str(original), str(tmp_path / "work"), "3", "150"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stderr
    refused, _unharmed, died = map(int, ended.stdout.split())
    assert refused > 50
    assert died < 15
