"""The image's lock is the project's lock, less the tools (docker/Dockerfile installs it)."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
PIN = re.compile(r"^([a-z0-9][a-z0-9.-]*)==(\S+)(.*(?:\n    --hash=.*)+)", re.MULTILINE)


def pins(path: Path) -> dict[str, tuple[str, set[str]]]:
    """Version and hashes by name."""
    return {
        name: (version, set(re.findall(r"sha256:[0-9a-f]{64}", rest)))
        for name, version, rest in PIN.findall(path.read_text())
    }


def test_the_image_installs_what_was_tested() -> None:
    image, everything = pins(ROOT / "docker" / "requirements.lock"), pins(ROOT / "requirements.lock")
    assert image == {name: everything[name] for name in image}


def test_every_dependency_is_in_the_image_and_no_tool() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    names = {re.split(r"[^a-z0-9-]", line)[0] for line in project["project"]["dependencies"]}
    image = set(pins(ROOT / "docker" / "requirements.lock"))
    tools = {re.split(r"[^a-z0-9-]", line)[0] for line in project["dependency-groups"]["dev"]}
    assert names <= image
    extras = project["project"]["optional-dependencies"]
    backup = {re.split(r"[^a-z0-9-]", line)[0] for line in extras["backup"]}
    assert tools & image == {"setuptools", *backup}, "it builds the wheel; tests use what backups need"
