"""A replica's disk: rows without sync, which outlive their process, and outlive their machine in part or not at all."""

from copy import deepcopy

from storage.trust import Trust
from tests.sim.rows import MemoryRows


class Disk:
    """Of one replica, through all its processes and all boots of its machine."""

    def __init__(self):
        self.rows = MemoryRows()
        self.trust = Trust(0, "0", True)
        self._boot = 0
        self._synced = MemoryRows()

    def open(self):
        """For a process that starts: the rows as they are, or empty ones when they can't be trusted."""
        if not self.trust.holds(str(self._boot)):
            self.wipe()
        return self.rows

    def wipe(self):
        self.rows = MemoryRows()
        self.trust = Trust(0, str(self._boot), False)

    def change(self):
        """Said before the rows are changed."""
        self.trust = Trust(0, str(self._boot), False)

    def sync(self):
        """Everything reaches the disk: on a clean stop, for one."""
        self._synced = deepcopy(self.rows)
        self.trust = Trust(0, str(self._boot), True)

    def cut_power(self, chance):
        """What was not synced survives in part: each key and the state may be of now or of the last sync."""
        self._boot += 1
        if self.trust.is_synced:
            return
        now, synced = self.rows, deepcopy(self._synced)
        state = now if chance.permille(500) else synced
        torn = MemoryRows()
        torn.complete, torn.mark, torn.horizon = state.complete, state.mark, state.horizon
        for key, versions in now.versions():
            found = versions if chance.permille(700) else synced.versions_of(key)
            for commit_ts, value in found:
                torn.put(key, commit_ts, value)
        self.rows = torn
