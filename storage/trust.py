"""Whether an environment that is written without sync may be gone on with after a restart (DESIGN §8).

The kernel keeps what a process wrote when that process dies; when the machine goes down, any part of what was not
synced may be missing, and nothing in the environment itself says so.

    killed, same boot              whole
    stopped, everything synced     whole, whatever boot
    power cut while it was open    not to be trusted: a snapshot and the tail of the journals instead
"""

from typing import NamedTuple


class Trust(NamedTuple):
    """Who wrote the environment last, and whether all of it reached the disk."""

    format: int
    boot_id: str
    is_synced: bool

    def holds(self, current_boot: str) -> bool:
        """Whether it is whole, as seen from this boot; a boot without a name is never the same."""
        return self.is_synced or (self.boot_id == current_boot != "")
