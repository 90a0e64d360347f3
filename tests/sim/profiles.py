"""Runs that seek one kind of trouble: faults and transactions drawn as at random, within narrower bounds (AR §6.1).

A rule that matters once in ten thousand ordinary runs matters every few runs where its hazard is common.
"""

from collections.abc import Callable
from typing import NamedTuple

from tests.sim import workloads as w
from tests.sim.chance import Chance
from tests.sim.faults import Faults, drawn
from tests.sim.world import MS


class Profile(NamedTuple):
    """What may happen in a run, and what its clients do."""

    faults: Callable[[Chance], Faults]
    kinds: tuple = w.KINDS


def _moves(chance):
    """Ranges move all the time, and journals come, end and go under them."""
    return Faults(
        slow=chance.pick((0, 50, 200)),
        takeover=chance.pick((0, 900 * MS)),
        move=chance.between(10, 60) * MS,
        journals=chance.between(60, 250) * MS,
        trim=chance.pick((0, 200 * MS)),
        appends=chance.pick((1, 4)),
    )


def _doubt(chance):
    """Votes, outcomes and decisions come late or never, some twice; clocks differ."""
    bound = chance.between(5, 40) * MS
    return Faults(
        loss=chance.pick((0, 30, 100)),
        duplicates=chance.pick((0, 200)),
        slow=chance.between(50, 300),
        bound=bound,
        offset=bound,
        clock=chance.pick((0, 300 * MS)),
        lead=chance.pick((0, 10 * MS)),
    )


def _skewed(chance):
    """Clocks of owners differ by about as much as a promise lasts; outcomes get lost."""
    bound = chance.between(40, 100) * MS
    return Faults(
        loss=chance.between(30, 150),
        slow=chance.pick((0, 50)),
        bound=bound,
        offset=bound,
        clock=chance.pick((0, 800 * MS)),
    )


def _naps(chance):
    """Owners sleep, use what they find when they wake, and are replaced just then; answers of journals get lost."""
    return Faults(
        loss=chance.between(20, 150),
        slow=chance.between(0, 100),
        pause=chance.between(60, 200) * MS,
        relieved=chance.between(300, 1000),
        bound=20 * MS,
        offset=20 * MS,
        appends=1,
    )


def _zombies(chance):
    """Superseded owners that do not know it and are still asked; copies reach their successors."""
    return Faults(
        duplicates=chance.pick((0, 100)),
        slow=chance.between(20, 200),
        misrouted=chance.pick((0, 50)),
        copied=chance.between(200, 600),
        takeover=chance.between(250, 900) * MS,
        twice=chance.pick((0, 200)),
        severed=chance.between(700, 1000),
        stale=chance.between(300, 1500) * MS,
        bound=10 * MS,
        offset=10 * MS,
    )


def _replays(chance):
    """Owners that fall behind what is kept of the journals, while outcomes are lost and readers are old."""
    return Faults(
        loss=chance.between(10, 60),
        deaf=chance.between(150, 500) * MS,
        trim=chance.between(20, 80) * MS,
        kept=chance.between(20, 200) * MS,
        cuts=300,
        takeover=chance.pick((0, 200 * MS, 1500 * MS)),
    )


def _forgetful(chance):
    """Owners have room for a few keys only, and transactions are old."""
    return Faults(
        exact_keys=chance.between(1, 6),
        slots=chance.pick((0, 64)),
        slow=chance.pick((0, 30)),
        takeover=chance.pick((0, 1500 * MS)),
    )


PROFILES = {
    "general": Profile(drawn),
    "forgetful": Profile(_forgetful, (w.transfer, w.register, w.append, w.long_reader, w.long_reader)),
    "moves": Profile(_moves),
    "doubt": Profile(_doubt, (w.transfer, w.rotate, w.append, w.fenced, w.hot_row, w.long_reader)),
    "skewed": Profile(_skewed, (w.transfer, w.rotate, w.append, w.append)),
    "naps": Profile(_naps, (w.append, w.append, w.hot_row, w.transfer, w.long_reader)),
    "zombies": Profile(_zombies, (w.transfer, w.rotate, w.append, w.skew, w.hot_row)),
    "replays": Profile(_replays, (w.transfer, w.rotate, w.long_reader, w.long_reader, w.hot_row)),
    "schema": Profile(
        _doubt, (w.ledger, w.ledger, w.ledger_change, w.transfer, w.schema_change, w.register, w.long_reader)
    ),
}

SOUGHT = {
    "end-closes": "moves",
    "end-free": "moves",
    "take-back": "moves",
    "promised-time": "skewed",
    "in-doubt": "doubt",
    "marker-time": "schema",
    "marker-decided": "schema",
    "remove-time": "moves",
    "missed-floor": "replays",
    "window-blurred": "forgetful",
    "window-floor": "forgetful",
    "checkpoint-reserved": "replays",
    "denied-unread": "replays",
    "safe-records": "naps",
    "vote-epoch": "zombies",
    "dead-memory": "zombies",
}
"""Rule -> where its absence is looked for; others: in seeds of all kinds."""


def of_seed(seed):
    """Every other seed is of the general kind, the others take turns."""
    others = sorted(name for name in PROFILES if name != "general")
    return "general" if seed % 2 == 0 else others[seed // 2 % len(others)]
