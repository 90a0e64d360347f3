"""`make surface`: what it prints is the tables themselves."""

import subprocess

from server.session.settings import ALL
from server.sql.refusals import TABLE
from tests.unit.test_imports import ROOT


def test_surface():
    done = subprocess.run(
        ["make", "--no-print-directory", "-o", "setup", "surface"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    refusals, settings = done.stdout.rstrip("\n").split("\n\n")
    assert len(refusals.splitlines()) == len(TABLE) + 1
    assert len(settings.splitlines()) == len(ALL) + 1
    truncate = next(line for line in refusals.splitlines() if "unsupported statement: Truncate" in line)
    assert truncate.split() == [
        "0A000", "observed", "2024-12-03", "-", "§1.2", "GOLD", "unsupported", "statement:", "Truncate",
        "Unsupported(Truncate)",
    ]  # fmt: skip
    assert "search_path" in settings


def test_every_refusal_says_how_it_is_known():
    assert [refusal.text for refusal in TABLE if not (refusal.evidence and refusal.source)] == []
