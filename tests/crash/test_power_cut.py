"""What the journal reports as durable survives a power cut at any moment (DESIGN §7, §11)."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

COMPILER = shutil.which("gcc") or shutil.which("cc")
ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(
    COMPILER is None or sys.platform != "linux", reason="needs Linux and a C compiler"
)


@pytest.fixture(scope="module")
def layer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The recording file layer, compiled."""
    library = tmp_path_factory.mktemp("layer") / "record_io.so"
    source = Path(__file__).with_name("record_io.c")
    subprocess.run([str(COMPILER), "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    return library


@pytest.fixture
def scratch() -> Iterator[Path]:
    """A folder for thousands of short-lived disks, in memory where there is such a place."""
    shared = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shared if os.access(shared, os.W_OK) else None) as folder:
        yield Path(folder)


def run(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.crash.power_cut", *map(str, arguments)]
    return subprocess.run(
        command, cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, timeout=60
    )


def record(layer: Path, folder: Path, seed: int) -> Path:
    disk, log = folder / "disk", folder / "log"
    disk.mkdir()
    done = run("record", disk, seed, LD_PRELOAD=str(layer), RECORD_DIR=str(disk), RECORD_LOG=str(log))
    assert done.returncode == 0, done.stderr
    return log


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_everything_durable_survives_and_nothing_torn_is_served(
    seed: int, layer: Path, tmp_path: Path, scratch: Path
) -> None:
    done = run("replay", record(layer, tmp_path, seed), scratch)
    assert done.returncode == 0, done.stdout + done.stderr
    disks = int(done.stdout.split("cuts: ")[1].split()[0])
    assert disks > 400


@pytest.mark.parametrize("mutation", ["no-flush", "early-durable"])
def test_a_rule_switched_off_would_be_found(
    mutation: str, layer: Path, tmp_path: Path, scratch: Path
) -> None:
    """Without flushes LMDB may also fall over its own pages: a process that dies counts as found."""
    done = run("replay", record(layer, tmp_path, 1), scratch, mutation)
    assert done.returncode != 0, done.stdout
    assert "Traceback" not in done.stderr
