"""What goes wrong in a run, drawn from its seed, biased to the hard places (AR §6.1)."""

from typing import NamedTuple

from tests.sim.world import MS


class Faults(NamedTuple):
    """Shares are per 1,000; periods are ns of true time, 0: never."""

    loss: int = 0
    duplicates: int = 0
    slow: int = 0
    misrouted: int = 0
    """A message to one epoch's owner reaches the present one (the same address, say)."""
    copied: int = 0
    """The same, and the owner it was for gets it too."""
    takeover: int = 0
    twice: int = 0
    """Take-overs that the next one follows at once."""
    severed: int = 0
    """Take-overs whose old owner is cut off from the journals alone: it goes on and can't know."""
    deaf: int = 0
    """An owner stops to read the journals for a while, and goes on otherwise."""
    crash: int = 0
    pause: int = 0
    relieved: int = 0
    """Pauses of owners at whose end they are replaced."""
    cut: int = 0
    carrier: int = 0
    """Crash of a journal's carrier in the middle of an append, per append."""
    storage: int = 0
    """Replicas are killed, stopped, or lose their power."""
    damage: int = 0
    """Of a snapshot on its way, per 1,000."""
    query: int = 0
    move: int = 0
    journals: int = 0
    trim: int = 0
    kept: int = 1200 * MS
    """What owners rebuild from is at least so old."""
    cuts: int = 5
    """Snapshots, per 1,000 turns of a shard."""
    stale: int = 100 * MS
    """Query processors look at the map of ranges about so often."""
    clock: int = 0
    bound: int = 2 * MS
    offset: int = 2 * MS
    """Clocks are off by up to this; above `bound` the bound is violated on purpose."""
    lead: int = 0
    appends: int = 4
    exact_keys: int = 1_000_000
    slots: int = 64
    """Of the blurred memory; 0: none, what is forgotten raises the floor."""


def drawn(chance):
    """The faults of one seed."""
    if chance.permille(100):
        return Faults()
    if chance.permille(100):
        trim = chance.pick((0, 200 * MS))
        return Faults(move=150 * MS, journals=350 * MS, slow=30, takeover=900 * MS, trim=trim)
    bound = chance.pick((0, 2 * MS, 10 * MS))
    violates = chance.permille(200)

    def period(low, high, share):
        return chance.between(low, high) * MS if chance.permille(share) else 0

    return Faults(
        loss=chance.pick((0, 10, 50)),
        duplicates=chance.pick((0, 20, 100)),
        slow=chance.pick((0, 10, 50, 120)),
        misrouted=chance.pick((0, 20, 200)),
        copied=chance.pick((0, 0, 20)),
        takeover=period(300, 1500, 700),
        twice=chance.pick((0, 0, 200)),
        severed=chance.pick((0, 0, 300)),
        deaf=period(400, 2000, 200),
        crash=period(500, 2000, 300),
        pause=period(200, 800, 500),
        cut=period(400, 1500, 400),
        carrier=chance.pick((0, 0, 5, 20)),
        storage=period(400, 1500, 400),
        damage=chance.pick((0, 100)),
        query=period(500, 2000, 300),
        move=period(200, 900, 600),
        journals=period(600, 1500, 400),
        trim=period(100, 600, 500),
        kept=chance.pick((1200 * MS, 1200 * MS, 300 * MS)),
        stale=chance.pick((100 * MS, 100 * MS, 1000 * MS)),
        clock=period(200, 800, 600),
        bound=bound,
        offset=chance.between(20, 400) * MS if violates else bound,
        lead=chance.pick((0, 0, 5 * MS, 20 * MS, 50 * MS)),
        appends=chance.pick((1, 4)),
        exact_keys=chance.pick((1_000_000, 20)),
        slots=chance.pick((64, 64, 0)),
    )
