"""A process of a region ends, whatever hangs."""

import subprocess
import sys

from server.runtime.process import ROOT

HANG_S = 60
PROGRAM = """
import asyncio, sys
from types import SimpleNamespace
from server.runtime.region import joining

joining.END_S = 0.2

class Hanging:
    def __init__(self, _config):
        self.stopped, self.failure = asyncio.Event(), None

    async def start(self):
        self.stopped.set()

    async def stop(self):
        await asyncio.Event().wait()

    def broken(self, error):
        raise error

sys.exit(joining.run(SimpleNamespace(data=sys.argv[1]), Hanging, lambda _server: "ready"))
"""


def test_a_process_whose_end_hangs_is_ended_and_says_where_it_stood(tmp_path):
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=HANG_S,
    )
    assert ended.stdout == "ready\n"
    assert ended.returncode == 1
    assert "Timeout" in ended.stderr
