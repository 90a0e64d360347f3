"""The open transactions of sessions that no query processor serves at the moment (opendsql.transactions)."""

from collections.abc import Iterator, Mapping
from typing import Any

from server.runtime.router.routed import Place, Routed
from server.session import suspending
from server.testing.desk import Running

LARGE_BYTES = 1 << 20
"""Of a state: larger ones are not looked into, so that nobody waits for it."""


def suspended_of(sessions: Mapping[int, Any]) -> Iterator[Running]:
    """Those among all sessions of a node."""
    for routed in list(sessions.values()):
        if not isinstance(routed, Routed) or routed.place is not Place.AWAY or not routed.is_in_block:
            continue
        if routed.kept is not None and len(routed.kept) <= LARGE_BYTES and not routed.is_bereft:
            running = suspending.open_transaction(routed.kept)
            if running is not None:
                yield running
