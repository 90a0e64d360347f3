"""One owner of all keys, without any carrier."""

from adjudicator.adjudicator import ALONE, Settings
from adjudicator.range_owner import RangeOwner
from journal.appender import Appender
from journal.crossbar import Item
from journal.journal import EMPTY
from journal.record import TOP, Commit


def alone(floor: int = 0, last_ts: int = 0, settings: Settings = ALONE, **bounds: int) -> RangeOwner:
    """As after a restart: nothing at or below `floor` is known, everything up to `last_ts` was used."""
    appender = Appender(1, "o", EMPTY._replace(epoch=1, last_ts=last_ts))
    owner = RangeOwner(0, appender, last_ts, floor, settings._replace(**bounds))
    owner.ranges.add(b"", TOP, last_ts, floor)
    return owner


def applied(owner: RangeOwner, upto: int) -> None:
    """The stream is complete up to `upto`, and held nothing but what the owner decided itself."""
    owner.feed([], [], upto, upto)


def read(owner: RangeOwner, *commits: Commit) -> None:
    """The stream holds these commits of the owner's own journal."""
    items = [Item(commit.commit_ts, 0, 1, number, commit) for number, commit in enumerate(commits)]
    owner.feed(items, [], commits[-1].commit_ts, 0)
