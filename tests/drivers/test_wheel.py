"""The wheel drops nothing but `opendsql` into a user's environment (DESIGN §2)."""

import shutil
import signal
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HANG_S = 240

pytestmark = pytest.mark.slow


def run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, capture_output=True, text=True, timeout=HANG_S
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    source = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in ("opendsql", "journal", "adjudicator", "storage", "server"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    out = tmp_path_factory.mktemp("wheel")
    run(
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        out,
        ".",
        cwd=source,
    )
    (found,) = out.glob("*.whl")
    return found


def test_only_opendsql_is_at_the_top(wheel: Path) -> None:
    names = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {name for name in names if not name.endswith(".dist-info")} == {"opendsql"}


def test_every_module_is_in(wheel: Path) -> None:
    packed = set(zipfile.ZipFile(wheel).namelist())
    for folder in ("journal", "adjudicator", "storage", "server"):
        for path in (ROOT / folder).rglob("*.py"):
            assert f"opendsql/_app/{path.relative_to(ROOT)}" in packed


def test_beside_a_project_with_its_own_server(wheel: Path, tmp_path: Path) -> None:
    """A user's `server` package and ours run side by side, in one environment and one working directory."""
    environment = tmp_path / "venv"
    venv.create(environment, system_site_packages=False, with_pip=False)
    python = environment / "bin" / "python"
    site = next((environment / "lib").glob("python*")) / "site-packages"
    run(
        sys.executable,
        "-m",
        "pip",
        "--python",
        python,
        "install",
        "--quiet",
        "--no-deps",
        wheel,
        cwd=tmp_path,
    )
    ours = Path(next(path for path in sys.path if path.endswith("site-packages")))
    (site / "dependencies.pth").write_text(f"{ours}\n")
    mine = tmp_path / "server"
    mine.mkdir()
    (mine / "__init__.py").write_text("NAME = 'mine'\n")
    shown = run(
        python,
        "-c",
        "import opendsql, server, sys; print(server.NAME, 'storage' in sys.modules)",
        cwd=tmp_path,
    )
    assert shown.split() == ["mine", "False"]
    process = subprocess.Popen(
        [environment / "bin" / "opendsql", "serve", "--port", "0", "--memory"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline().startswith("ready postgresql://admin@127.0.0.1:")
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(HANG_S) == 0
        process.stdout.close()
