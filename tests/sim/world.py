"""Virtual time, processes and the network between them: one seed, one thread."""

from hashlib import blake2b
from heapq import heappop, heappush

from tests.sim.chance import Chance

MS = 10**6


class Process:
    """Something that runs on a host: it can be paused, crashed, and cut off with its group."""

    def __init__(self, world, name, group):
        self.world = world
        self.name = name
        self.group = group
        self.is_alive = True
        self.paused_until = 0

    def __repr__(self):
        return self.name

    def crash(self):
        self.is_alive = False


class World:
    """The event queue. Times are ns of true time."""

    def __init__(self, seed, faults):
        self.chance = Chance(seed)
        self.faults = faults
        self.now = 1000 * MS
        self.steps = 0
        self.cuts = {}
        """(from group, to group) -> until."""
        self.timeline = None
        """A list of lines when the run is replayed for reading."""
        self._queue = []
        self._number = 0
        self._digest = blake2b(digest_size=16)

    def post(self, delay, action, *args):
        """Call `action` after `delay`."""
        self._number += 1
        heappush(self._queue, (self.now + delay, self._number, action, args))

    def run(self, until):
        """All events up to `until`."""
        queue = self._queue
        while queue and queue[0][0] <= until:
            self.now, _number, action, args = heappop(queue)
            self.steps += 1
            action(*args)
        self.now = max(self.now, until)

    def every(self, process, period, action):
        """Call `action` about every `period` while `process` lives."""
        if not process.is_alive:
            return
        if process.paused_until > self.now:
            self.post(process.paused_until - self.now, self.every, process, period, action)
            return
        action()
        self.post(period // 2 + self.chance.below(period), self.every, process, period, action)

    def is_cut(self, source, target):
        return self.cuts.get((source.group, target.group), 0) > self.now

    def send(self, source, target, action, *args):
        """Call `action` on another process, if the network is so kind; perhaps twice, perhaps late."""
        chance, faults = self.chance, self.faults
        if self.cuts and self.is_cut(source, target):
            return
        lot = chance.below(10**12)
        lost, doubled, slow = lot % 1000, lot // 10**3 % 1000, lot // 10**6 % 1000
        if lost < faults.loss:
            return
        self.post(self._delay(slow < faults.slow, lot), self._deliver, target, action, args)
        if doubled < faults.duplicates:
            again = chance.below(10**12)
            self.post(self._delay(again % 1000 < faults.slow, again), self._deliver, target, action, args)

    def _delay(self, is_slow, lot):
        """0.2 to 3 ms, or 10 to 600 ms, in steps that depend on the upper digits of `lot`."""
        step = lot // 10**9
        return 10 * MS + 590 * MS * step // 1000 if is_slow else MS // 5 + 2800 * step

    def _deliver(self, target, action, args):
        if not target.is_alive:
            return
        if target.paused_until > self.now:
            self.post(target.paused_until - self.now, self._deliver, target, action, args)
            return
        self.note(f"{self.now} {target.name} {action.__name__}", args)
        action(*args)

    def note(self, line, detail=None):
        """A line of the trace."""
        self._digest.update(line.encode())
        if self.timeline is not None:
            self.timeline.append(f"{line} {detail}" if detail is not None else line)

    def trace(self):
        """Equal for equal runs."""
        return self._digest.hexdigest()
