"""A replica's beginning: a snapshot of its range, fetched in pieces from who has the rows."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from journal.record import Key
from journal.snapshot import SnapshotDamaged
from server.runtime.net.asking import Failure
from server.runtime.region import restoring, snapshots, wire
from server.runtime.waiting import outcome
from server.session.work import Wait

log = logging.getLogger("opendsql.storage")

ANSWER_S = 5.0


class Asking(Protocol):
    """The other nodes."""

    def ask(self, node: str, message: object, patience_s: float) -> Wait[Any]:
        """Its answer; fails with a `Failure`."""


async def fetch(
    directory: Path, nodes: Sequence[str], lo: Key, hi: Key, asking: Asking
) -> snapshots.Found | None:
    """A snapshot of [lo, hi), whole, of the first of `nodes` that has one; None: not now. Raises OSError."""
    directory.mkdir(parents=True, exist_ok=True)
    for each in directory.iterdir():
        each.unlink()
    for node in nodes:
        try:
            wanted = wire.RangeWanted(lo, hi)
            offer: wire.SnapshotOffer = await outcome(asking.ask(node, wanted, ANSWER_S))
            if not offer.size:
                continue
            await _pieces(directory, node, offer, lo, hi, asking)
        except (Failure, SnapshotDamaged) as error:
            log.info("no snapshot from node=%s error=%s", node, error)
            continue
        found = snapshots.listed(directory)
        if found:
            log.info("snapshot fetched node=%s bytes=%d", node, offer.size)
            return found[0]
    return None


async def _pieces(
    directory: Path, node: str, offer: wire.SnapshotOffer, lo: Key, hi: Key, asking: Asking
) -> None:
    def ask(offset: int) -> Wait[Any]:
        return asking.ask(node, wire.RangePieceWanted(lo, hi, offer.number, offset), ANSWER_S)

    await restoring.receive(directory / f"{offer.number:020}.snapshot", offer.size, ask)
