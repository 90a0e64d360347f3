"""What a checker may look at, and the history of everything that was appended."""

from bisect import bisect_right, insort
from operator import itemgetter

from adjudicator.protocol import Prepare
from journal.crossbar import Announcement
from journal.journal import Entry
from journal.record import MARKERS, Commit
from server.session.coordinator import Result, WriteSet
from storage.shard import Read, ReadAnswer, Shard


class Violation(Exception):
    """An invariant does not hold."""

    def __init__(self, invariant: str, text: str, *txids: bytes) -> None:
        super().__init__(f"{invariant}: {text}")
        self.invariant = invariant
        self.txids = txids


class History:
    """Everything in all journals, as an all-seeing reader has it."""

    def __init__(self) -> None:
        self.commits: dict[bytes, tuple[int, Commit]] = {}
        self.versions: dict[bytes, list[tuple[int, bytes | None]]] = {}
        self.write_sets: dict[bytes, WriteSet] = {}

    def add(self, journal: int, entry: Entry) -> None:
        for commit in entry.record.commits:
            self.commits.setdefault(commit.txid, (journal, commit))
            for write in commit.writes:
                if not write.key.startswith(MARKERS):
                    insort(
                        self.versions.setdefault(write.key, []),
                        (commit.commit_ts, write.value),
                        key=itemgetter(0),
                    )

    def value(self, key: bytes, ts: int) -> bytes | None:
        versions = self.versions.get(key, [])
        index = bisect_right(versions, ts, key=itemgetter(0))
        return versions[index - 1][1] if index else None


class Checker:
    """Overrides what it needs; raises `Violation`."""

    def __init__(self, history: History) -> None:
        self.history = history

    def on_commit(self, write_set: WriteSet) -> None: ...
    def on_record(self, journal: int, entry: Entry) -> None: ...
    def on_promise(self, journal: int, epoch: int, prepare: Prepare, upto: int, ts: int) -> None: ...
    def on_announce(self, announcement: Announcement) -> None: ...
    def on_complete(self, name: str, shard: Shard, closed: dict[int, int]) -> None: ...
    def on_read(self, name: str, read: Read, answer: ReadAnswer) -> None: ...
    def on_begin(self, client: str, start_ts: int, at: int, is_bounded: bool) -> None: ...
    def on_result(self, client: str, txid: bytes, result: Result, at: int, is_bounded: bool) -> None: ...
    def on_observation(
        self, kind: str, client: str, start_ts: int, values: dict[bytes, bytes | None]
    ) -> None: ...
    def at_end(self, shards: list[Shard]) -> None: ...


HOOKS = (
    "on_commit",
    "on_record",
    "on_promise",
    "on_announce",
    "on_complete",
    "on_read",
    "on_begin",
    "on_result",
    "on_observation",
    "at_end",
)


class Observers:
    """Hands every event to the checkers that ask for it."""

    def __init__(self, classes) -> None:  # type: ignore[no-untyped-def]
        self.history = History()
        self.checkers = [each(self.history) for each in classes]
        self._hooks = {
            hook: [
                getattr(each, hook)
                for each in self.checkers
                if getattr(type(each), hook) is not getattr(Checker, hook)
            ]
            for hook in HOOKS
        }

    def tell(self, hook: str, *args) -> None:  # type: ignore[no-untyped-def]
        if hook == "on_commit":
            self.history.write_sets[args[0].txid] = args[0]
        elif hook == "on_record":
            self.history.add(*args)
        for method in self._hooks[hook]:
            method(*args)

    def checker(self, kind):  # type: ignore[no-untyped-def]
        return next(each for each in self.checkers if isinstance(each, kind))
