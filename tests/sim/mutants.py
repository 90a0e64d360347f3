"""The protocol with one rule switched off: each is a method replaced, in the simulation and nowhere else."""

from collections.abc import Iterator
from contextlib import contextmanager

from adjudicator.coordination import Coordination
from adjudicator.moves import Moves
from adjudicator.outcomes import Outcomes
from adjudicator.range_owner import RangeOwner
from adjudicator.takeover import Takeover
from adjudicator.window import Window
from journal.crossbar import FOREVER, Crossbar
from server.session.coordinator import Coordinator
from server.session.reader import Reader
from storage.shard import Shard
from storage.trust import Trust


def _may_end_early(owner):
    return not len(owner.ranges)


MUTANTS = {
    "floor": (
        "what began before a take-over is refused",
        RangeOwner,
        "_is_too_old",
        lambda self, start_ts, owned: False,
    ),
    "vote-reservation": (
        "votes lie within the durable reservation",
        RangeOwner,
        "_may_vote",
        lambda self, ts: True,
    ),
    "window-blurred": (
        "what leaves the exact memory is remembered by hash",
        Window,
        "_blurred_since",
        lambda self, key, lock, start_ts: False,
    ),
    "window-floor": (
        "what is forgotten raises the floor",
        Window,
        "raise_floor",
        lambda self, floor: None,
    ),
    "promise-blocks": (
        "a promise blocks conflicting votes",
        RangeOwner,
        "_in_doubt",
        lambda self, message: None,
    ),
    "in-doubt": (
        "promises last until the stream decides",
        RangeOwner,
        "_settled_upto",
        lambda self, complete, now: max(complete, now),
    ),
    "promised-time": (
        "commit_ts is within all promises",
        RangeOwner,
        "_is_promised",
        lambda self, ts, votes: True,
    ),
    "close-reservation": (
        "announcements lie within the reservation",
        RangeOwner,
        "_reserved_close",
        lambda self, now: now,
    ),
    "close-pending": (
        "announcements lie below appends in flight",
        RangeOwner,
        "_below_pending",
        lambda self: FOREVER,
    ),
    "all-journals": (
        "a rebuild reads all journals",
        RangeOwner,
        "_learns_from",
        lambda self, journal: journal == self.journal,
    ),
    "rebuild-complete": (
        "a rebuild ends at T_safe",
        RangeOwner,
        "_is_rebuilt",
        lambda self, each, complete: True,
    ),
    "vote-epoch": (
        "votes count at the named epoch only",
        RangeOwner,
        "_is_mine",
        lambda self, candidate: candidate.journal == self.journal,
    ),
    "lock-record": (
        "locks alone are appended too",
        RangeOwner,
        "_needs_record",
        lambda self, commit: bool(commit.writes),
    ),
    "safe-time": (
        "a successor stays above the old reservation and promises",
        Takeover,
        "_safe",
        lambda self: self.tail.last_ts,
    ),
    "safe-records": (
        "a successor stays above its predecessor's records, reserved or not",
        Takeover,
        "_safe",
        lambda self: self.reserved + self.settings.promise,
    ),
    "adopt-position": (
        "a closed time waits for its position",
        Crossbar,
        "_may_adopt",
        lambda self, consumed, announced: True,
    ),
    "set-change": (
        "a reader learns of new journals in band",
        Crossbar,
        "_change_set",
        lambda self, ts, notes: None,
    ),
    "read-complete": ("a read waits for completeness", Shard, "_is_complete", lambda self, ts: True),
    "disk-trust": (
        "a disk that was not synced is not trusted after a power cut",
        Trust,
        "holds",
        lambda self, current_boot: True,
    ),
    "read-horizon": (
        "a read below the horizon is refused",
        Shard,
        "_is_below_horizon",
        lambda self, ts: False,
    ),
    "commit-wait": (
        "the acknowledgement waits for the clock",
        Coordinator,
        "_may_acknowledge",
        lambda self, now: True,
    ),
    "read-past": (
        "what is read is past for everybody when it is told",
        Reader,
        "_may_tell",
        lambda self, now: True,
    ),
    "one-start": (
        "a transaction reads at one time",
        Reader,
        "_time",
        lambda self, now: now if self._number > 1 else self.start_ts,
    ),
    "dead-first": (
        "a commit is repeated when its last candidate is dead",
        Coordinator,
        "_after_silence",
        lambda self, candidate, now: self._prepare(now),
    ),
    "release-time": ("a range is released above all promises", RangeOwner, "_used_upto", lambda self: 0),
    "release-learned": (
        "a range is released above what others decided",
        RangeOwner,
        "_used_upto",
        lambda self: max(self.safe, self.last_ts, self.promises.latest()),
    ),
    "end-free": ("a journal ends when nothing comes or goes", RangeOwner, "_may_end", _may_end_early),
    "end-closes": ("nothing is acquired behind an end", RangeOwner, "_closes", lambda self: False),
    "missed-floor": (
        "what was trimmed unread raises the floor",
        RangeOwner,
        "_missed_floor",
        lambda self, base: 0,
    ),
    "take-back": (
        "what was released to a journal that ended comes back",
        Moves,
        "take_back",
        lambda self, ended: [],
    ),
    "checkpoint-reserved": (
        "a checkpoint restates a reservation",
        RangeOwner,
        "_may_restate",
        lambda self: True,
    ),
    "denied-unread": (
        "what was trimmed unread is not denied",
        Outcomes,
        "skipped",
        lambda self, upto: None,
    ),
    "remove-time": (
        "a journal is removed above its end",
        RangeOwner,
        "_above_end",
        lambda self, ended: ended,
    ),
    "dead-memory": (
        "a candidate that was given up stays dead",
        Coordination,
        "decision",
        lambda self, candidate: self._final.get(candidate, (None, 0))[0] or None,
    ),
    "acquire-floor": ("a moved range has a floor", RangeOwner, "_floor_of", lambda self, note: 0),
    "acquire-history": (
        "a moved range's history is read again",
        RangeOwner,
        "_history_of",
        lambda self, note: [],
    ),
    "marker-check": (
        "a schema change aborts who used the old one",
        RangeOwner,
        "_changed",
        lambda self, markers, start_ts: None,
    ),
    "marker-time": (
        "a schema change lies above promises to its users",
        RangeOwner,
        "_not_before_checks",
        lambda self, message, now: 0,
    ),
    "marker-decided": (
        "a schema change lies above what its users got",
        RangeOwner,
        "_decided_upto",
        lambda self: 0,
    ),
}


@contextmanager
def switched_off(name: str | None) -> Iterator[None]:
    """The rule `name` does not hold inside; None: all do."""
    if name is None:
        yield
        return
    _rule, owner, method, replacement = MUTANTS[name]
    original = getattr(owner, method)
    setattr(owner, method, replacement)
    try:
        yield
    finally:
        setattr(owner, method, original)
