"""A container engine to test with: its commands, the base image, the image of this checkout."""

import functools
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "docker" / "Dockerfile"
BUILD_S, PULL_S, COMMAND_S = 900, 120, 120
CLIENT_CONFIGURATION = ("/etc/pip.conf", "/usr/local/share/ca-certificates")
"""How this machine reaches the package indexes; a base image made here needs the same."""


def run(
    *command: object,
    check: bool = True,
    timeout: float = COMMAND_S,
    environment: Mapping[str, str] | None = None,
) -> "subprocess.CompletedProcess[str]":
    """Run to its end; what a failing command wrote is in the assertion's text."""
    done = subprocess.run(
        list(map(str, command)),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=timeout,
        env={**os.environ, **(environment or {})},
    )
    assert not check or done.returncode == 0, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done


def docker(*arguments: object, check: bool = True, timeout: float = COMMAND_S) -> str:
    """The standard output of a docker command."""
    return run("docker", *arguments, check=check, timeout=timeout).stdout.strip()


def works(*command: str) -> bool:
    """Whether the program is there and ends with exit code 0."""
    return shutil.which(command[0]) is not None and run(*command, check=False).returncode == 0


@functools.cache
def compose_command() -> tuple[str, ...]:
    """Compose, as a plugin or a program of its own; skips the module where there is no engine or no compose."""
    if not works("docker", "info"):
        pytest.skip("no docker engine", allow_module_level=True)
    for command in (("docker", "compose"), ("docker-compose",)):
        if works(*command, "version"):
            return command
    pytest.skip("no docker compose", allow_module_level=True)


@contextmanager
def built_image(
    name: str, dockerfile: str = "docker/Dockerfile", stages: tuple[str, ...] = ("build",)
) -> Iterator[str]:
    """The image of this checkout under `name`, from a committed Dockerfile; removed at the end."""
    with base_image(), tempfile.TemporaryDirectory() as folder, ExitStack() as undo:
        # Two builds must see the same files, also while somebody edits the checkout.
        _copy_context(Path(folder), dockerfile)
        # Earlier stages get a name too, so that they can be removed; the last build takes them from the cache.
        for tag, more in (*((f"{name}-{stage}", ("--target", stage)) for stage in stages), (name, ())):
            build = ("build", "--file", f"{folder}/{dockerfile}", "--tag", tag, *more, folder)
            undo.callback(docker, "image", "rm", "--force", tag, check=False)
            docker(*build, timeout=BUILD_S)
        yield name


def _copy_context(folder: Path, dockerfile: str) -> None:
    """What .dockerignore lets through, with the Dockerfile."""
    (folder / "docker").mkdir()
    ignore = shutil.ignore_patterns("__pycache__")
    allowed = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    for name in (*allowed, ".dockerignore", dockerfile):
        source, target = ROOT / name, folder / name
        if source.is_dir():
            shutil.copytree(source, target, ignore=ignore)
        else:
            shutil.copy(source, target)


@contextmanager
def until_healthy(project: str, containers: int = 1, within_s: float = 60.0) -> Iterator[None]:
    """What is done inside makes so many containers of a compose project healthy that were not."""
    begin = time.time()
    yield
    follow = ("docker", "events", "--since", f"{begin:.6f}", "--until", f"{begin + within_s:.6f}")
    ours = ("--filter", f"label=com.docker.compose.project={project}")
    healthy: set[str] = set()
    with subprocess.Popen(
        [*follow, *ours, "--format", "{{.Status}} {{.ID}}"], stdout=subprocess.PIPE, text=True
    ) as events:
        assert events.stdout is not None
        for line in events.stdout:
            if line.startswith("health_status: healthy"):
                healthy.add(line.split()[-1])
            if len(healthy) == containers:
                break
        events.kill()
    assert len(healthy) == containers, f"healthy of {containers}: {healthy}"


@contextmanager
def base_image() -> Iterator[None]:
    """The Dockerfile's base image is there: it was, or is pulled, or is made of Debian's packages."""
    found = re.search(r"^ARG BASE=(\S+)$", DOCKERFILE.read_text(), re.MULTILINE)
    assert found is not None
    name = found[1]
    if works("docker", "image", "inspect", name):
        yield
        return
    if run("docker", "pull", name, check=False, timeout=PULL_S).returncode:
        _make_base(name)
    try:
        yield
    finally:
        docker("image", "rm", "--force", name, check=False)


def _make_base(name: str) -> None:
    if os.geteuid() or not shutil.which("debootstrap"):
        pytest.skip(f"{name} cannot be pulled, and not be made without root and debootstrap")
    suite = name.rsplit(":", 1)[1].removesuffix("-slim")
    with tempfile.TemporaryDirectory() as folder:
        root, archive = Path(folder) / "root", Path(folder) / "base.tar"
        # Its mounts go with its mount namespace, whatever becomes of it.
        make = ("unshare", "--mount", "debootstrap", "--variant=minbase", suite, root)
        if run(*make, check=False, timeout=BUILD_S).returncode:
            pytest.skip(f"{name} cannot be pulled, and debootstrap cannot make it here")
        for path in map(Path, CLIENT_CONFIGURATION):
            if path.is_dir():
                shutil.copytree(path, root / path.relative_to("/"), dirs_exist_ok=True)
            elif path.is_file():
                shutil.copy(path, root / path.relative_to("/"))
        for left_out in (
            "usr/share/doc",
            "usr/share/man",
            "usr/share/locale",
            "var/cache/apt",
            "var/lib/apt/lists",
        ):
            shutil.rmtree(root / left_out)
        run("tar", "-C", root, "-cf", archive, ".")
        search = "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        docker("import", "--change", search, "--change", 'CMD ["bash"]', archive, name)
