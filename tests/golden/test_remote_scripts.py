"""Golden scripts by sessions that read from storage processes, and move between hosts: the same bytes as plainly."""

from pathlib import Path

import pytest

from server.catalog.descriptor import FIRST_USER_OID
from server.runtime.node import Node
from storage import keycode
from tests import moving, remote_reading
from tests.golden.test_scripts import SCRIPTS
from tests.golden.test_suspension import steps_of
from tests.remote_reading import Network, RemoteHost, Rough

NAMES = (
    "alter_table",
    "anomalies",
    "as_of",
    "conflicts",
    "constraints",
    "copy",
    "foreign_keys",
    "snapshot",
    "states",
    "unique",
)
"""Scripts that read rows, and few enough of them: tests/unit/test_remote_reads.py has the kinds of statements."""
SPLITS = [keycode.prefix(1, FIRST_USER_OID + number) for number in (2, 5)]
"""Three shards, of one table or two in the beginning of a script."""


@pytest.mark.slow
@pytest.mark.parametrize("path", [path for path in SCRIPTS if path.stem in NAMES], ids=lambda path: path.stem)
def test_script(path: Path, tmp_path: Path) -> None:
    text = path.read_text()
    steps = steps_of(text)
    rebase = "# server: strict\n" not in text
    hosts: list[RemoteHost] = []

    def client(node: Node, user: str) -> moving.Client:
        if not hosts:
            network = Network(node, SPLITS, Rough())
            hosts.extend(RemoteHost(node, network) for _number in range(2))
        made = remote_reading.Moving(hosts[0], user)  # type: ignore[arg-type]
        made.hosts = hosts
        return made

    plain = moving.play(tmp_path / "plain", steps, moving=False, rebase=rebase)
    remote = moving.play(tmp_path / "remote", steps, moving=False, rebase=rebase, kind=client)
    for step, before, after in zip(steps, plain, remote, strict=False):
        assert after == before, step
    assert len(plain) == len(remote)
    assert hosts[0].network.questions > 0
    assert not hosts[0].network.open
