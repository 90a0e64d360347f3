"""The only source of chance: SplitMix64, the same on every machine and Python version."""

_MASK = (1 << 64) - 1


class Chance:
    """A stream of numbers from one seed."""

    def __init__(self, seed):
        self._state = (seed * 0x9E3779B97F4A7C15 + 0x1234567) & _MASK

    def below(self, limit):
        """An integer in [0, limit)."""
        self._state = (self._state + 0x9E3779B97F4A7C15) & _MASK
        z = self._state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
        return ((z ^ (z >> 31)) * limit) >> 64

    def between(self, low, high):
        """An integer in [low, high]."""
        return low + self.below(high - low + 1)

    def permille(self, share):
        """True in `share` of 1,000 cases."""
        return share > 0 and self.below(1000) < share

    def pick(self, things):
        """One of a sequence."""
        return things[self.below(len(things))]

    def fork(self):
        """An independent stream."""
        return Chance(self.below(1 << 62))
