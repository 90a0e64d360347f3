"""The query processor's side of reads from several shards (AR §1.3; DESIGN §3, §5).

One object reads for one transaction, everything at its start_ts (Q1). A statement is one `get` of keys or one
`scan` of a range; it is cut at the bounds of the shards, and all pieces are asked for at once:

    scan [b, t) at 100, limit 3      shard 1 holds [b, k), shard 2 [k, t)
      ──Scan──▶ shard 1, replica 0     no answer in time: the same ──▶ replica 1
      ──Scan──▶ shard 2, replica 3
      ◀─rows k, p── shard 2            waits for its turn
      ◀─rows c, e── shard 1            c, e come out, then k: three; the rest is let go

Shards hold disjoint ranges, so rows in key order are the pieces' rows one piece after the other; in reverse order
the pieces are reversed too. Each answer is bounded, so it may have the first rows only; a piece holds one answer at
most, and the next is asked for when that one was taken. A filter or a count
travels with the scan as bytes that only the shards' `Pushdown` understands; what comes back are rows to this
object, whatever they mean.

A replica may be gone, cut off, behind, or too young for the transaction's time: then another one of the shard is
asked, and the first answer counts. What no replica can serve any more fails the transaction (`TOO_OLD`); what
nobody answers in time fails the statement's transaction too (`UNANSWERED`). Never is a stale row given, for a
replica answers when it is complete to start_ts and not before.

Nobody is given what he could not have seen: rows come out when the clock is past start_ts on its early edge.
A start_ts ahead of the true time may show a commit that is not acknowledged yet; told of it too early, a client
could see it vanish for a session that begins afterwards elsewhere (H3).
"""

from enum import IntEnum
from typing import NamedTuple, Protocol

from journal.record import Key, Timestamp
from server.errors import PgError, conflict
from storage.shard import Answered, Read, ReadAnswer, Refused, Request, Row, Scan, ScanAnswer


class Places(Protocol):
    """Who holds what: a hint, like the map of ranges (AR §1.1)."""

    def shard_of(self, key: Key) -> int:
        """The shard that holds `key`."""

    def pieces(self, lo: Key, hi: Key) -> list[tuple[Key, Key, int]]:
        """[lo, hi) cut at the bounds of shards: (lo, hi, shard), in key order."""

    def replicas(self, shard: int) -> list[int]:
        """Its replicas, the nearest first; at least one."""


class ToReplica(NamedTuple):
    """Effect: send to a replica."""

    replica: int
    request: Request


class Endurance(NamedTuple):
    """Durations, ns, and bounds."""

    answer: Timestamp = 200 * 10**6
    """Until another replica is asked."""
    statement: Timestamp = 10 * 10**9
    """From a request, repetitions and all, to `UNANSWERED`."""
    pieces: int = 8
    """Pieces of a scan that are asked for at once."""


class Failure(IntEnum):
    """Why a statement has no rows."""

    TOO_OLD = 1
    """No replica has what start_ts needs any more."""
    UNANSWERED = 2
    """No replica answered in time."""


class _Piece:
    """What one shard is asked for."""

    def __init__(self, shard: int, replicas: list[int], keys: tuple[Key, ...], lo: Key, hi: Key) -> None:
        self.shard = shard
        self.replicas = replicas
        """The next one to ask first: who answered goes on."""
        self.keys = keys
        self.lo = lo
        self.hi = hi
        self.number = 0
        """Of the request that is out; 0: none."""
        self.turn = 0
        """Requests sent for it."""
        self.refused: set[int] = set()
        """Replicas without the versions that start_ts needs."""
        self.began: Timestamp = 0
        """When it was sent first, and last."""
        self.since: Timestamp = 0
        self.rows: list[Row] = []
        """Arrived, not taken."""
        self.is_done = False


class Reader:
    """Reads for one transaction, one statement at a time. Synchronous; `now` is the early edge of the clock, ns."""

    def __init__(
        self, source: int, start_ts: Timestamp, places: Places, endurance: Endurance | None = None
    ) -> None:
        """`source`: where answers are sent."""
        self.source = source
        self.start_ts = start_ts
        self.failure: Failure | None = None
        """The transaction can't go on."""
        self._places = places
        self._endurance = endurance if endurance is not None else Endurance()
        self._number = 0
        self._pieces: list[_Piece] = []
        self._is_scan = self._reverse = False
        self._limit = 0
        self._pushed = b""
        self._taken = 0
        self._found: dict[Key, bytes | None] = {}

    def get(self, keys: list[Key], now: Timestamp) -> list[ToReplica]:
        """Begin to read rows by their keys; `found` has them."""
        self._begin()
        self._found = {}
        by_shard: dict[int, list[Key]] = {}
        for key in keys:
            by_shard.setdefault(self._places.shard_of(key), []).append(key)
        for shard, wanted in sorted(by_shard.items()):
            self._pieces.append(_Piece(shard, self._places.replicas(shard), tuple(wanted), b"", b""))
        return [self._ask(piece, now) for piece in self._pieces]

    def scan(
        self,
        lo: Key,
        hi: Key,
        now: Timestamp,
        limit: int = 0,
        pushed: bytes = b"",
        reverse: bool = False,
    ) -> list[ToReplica]:
        """Begin to read [lo, hi): at most `limit` rows (0: all), of what `pushed` makes of them; see `take`.

        With a limit one piece is asked after the other, since most need the first one only.
        """
        self._begin()
        self._is_scan, self._limit, self._pushed, self._reverse = True, limit, pushed, reverse
        pieces = self._places.pieces(lo, hi)
        for start, end, shard in reversed(pieces) if reverse else pieces:
            self._pieces.append(_Piece(shard, self._places.replicas(shard), (), start, end))
        return self._ask_next(now)

    def answer(self, replica: int, message: Answered, now: Timestamp) -> list[ToReplica]:
        """An answer from `replica`; one that is not awaited any more does nothing. For a scan, `take` is next."""
        piece = next((each for each in self._pieces if each.number == message.number), None)
        if piece is None or not message.number or self.failure is not None:
            return []
        if message.refused is not None:
            return self._refused(piece, replica, message.refused, now)
        piece.number = 0
        piece.replicas = sorted(piece.replicas, key=lambda each: each != replica)
        piece.turn = 0
        if isinstance(message, ReadAnswer):
            return self._rows_arrived(piece, message, now)
        return self._arrived(piece, message, now)

    def tick(self, now: Timestamp) -> list[ToReplica]:
        """Time has passed: ask other replicas, or give up; every few ms."""
        waiting = [piece for piece in self._pieces if piece.number]
        if not waiting or self.failure is not None:
            return []
        if now > min(piece.began for piece in waiting) + self._endurance.statement:
            self._fail(Failure.UNANSWERED)
            return []
        late = [piece for piece in waiting if now > piece.since + self._endurance.answer]
        return [self._ask_again(piece, now) for piece in late]

    def found(self, now: Timestamp) -> dict[Key, bytes | None] | None:
        """The rows that `get` asked for, by key; None: not yet."""
        if self.failure is not None or self._is_scan or not self._may_tell(now):
            return None
        return self._found if all(piece.is_done for piece in self._pieces) else None

    def take(self, now: Timestamp) -> tuple[list[Row], list[ToReplica]]:
        """The next rows of the scan, in key order, as far as they are here; `is_exhausted` says whether all are."""
        rows: list[Row] = []
        if not self._may_tell(now) or self.failure is not None:
            return rows, []
        while self._pieces:
            piece = self._pieces[0]
            rows += piece.rows
            piece.rows = []
            if self._limit and self._taken + len(rows) >= self._limit:
                del rows[self._limit - self._taken :]
                self._pieces = []
            elif not piece.is_done:
                break
            else:
                del self._pieces[0]
        self._taken += len(rows)
        return rows, self._ask_next(now)

    def is_ready(self, now: Timestamp) -> bool:
        """Whether `found` or `take` have something new to say: rows, the end, or the failure that there was."""
        if self.failure is not None:
            return True
        if not self._may_tell(now):
            return False
        if not self._is_scan:
            return all(piece.is_done for piece in self._pieces)
        return not self._pieces or bool(self._pieces[0].rows) or self._pieces[0].is_done

    @property
    def is_exhausted(self) -> bool:
        """Whether the scan has nothing more to give."""
        return not self._pieces

    # --- asking

    def _begin(self) -> None:
        self._pieces = []
        self._is_scan = self._reverse = False
        self._limit = self._taken = 0

    def _ask_next(self, now: Timestamp) -> list[ToReplica]:
        """Ask for pieces, and parts of pieces, that have room; in order."""
        wide = 1 if self._limit else self._endurance.pieces
        effects = []
        for piece in self._pieces[:wide]:
            if not piece.number and not piece.rows and not piece.is_done:
                effects.append(self._ask(piece, now))
        return effects

    def _ask(self, piece: _Piece, now: Timestamp) -> ToReplica:
        self._number += 1
        piece.number = self._number
        piece.began = now
        return self._ask_again(piece, now)

    def _ask_again(self, piece: _Piece, now: Timestamp) -> ToReplica:
        """The same request to the next replica that may have it."""
        able = [each for each in piece.replicas if each not in piece.refused]
        replica = able[piece.turn % len(able)]
        piece.turn += 1
        piece.since = now
        ts = self._time(now)
        if not self._is_scan:
            return ToReplica(replica, Read(self.source, piece.number, ts, piece.keys))
        left = self._limit - self._taken if self._limit else 0
        span, pushed, reverse = (piece.lo, piece.hi), self._pushed, self._reverse
        return ToReplica(replica, Scan(self.source, piece.number, ts, *span, left, pushed, reverse))

    def _refused(self, piece: _Piece, replica: int, why: Refused, now: Timestamp) -> list[ToReplica]:
        """Another replica may do; if all have refused in this round, wait as for a lost answer."""
        if why == Refused.TOO_OLD:
            if replica in piece.refused:
                return []
            piece.refused.add(replica)
            if piece.refused.issuperset(piece.replicas):
                self._fail(Failure.TOO_OLD)
                return []
            return [self._ask_again(piece, now)]
        if piece.turn % len(piece.replicas):
            return [self._ask_again(piece, now)]
        return []

    def _rows_arrived(self, piece: _Piece, message: ReadAnswer, now: Timestamp) -> list[ToReplica]:
        """The rows of all keys, or of the first ones."""
        self._found.update(zip(piece.keys, message.rows))
        piece.keys = piece.keys[len(message.rows) :]
        piece.is_done = not piece.keys
        return [] if piece.is_done else [self._ask(piece, now)]

    def _arrived(self, piece: _Piece, message: ScanAnswer, now: Timestamp) -> list[ToReplica]:
        piece.rows = list(message.rows)
        following = message.following
        if following is None or (following <= piece.lo if self._reverse else following >= piece.hi):
            piece.is_done = True
            return []
        if self._reverse:
            piece.hi = following
        else:
            piece.lo = following
        return [] if piece.rows else self._ask_next(now)

    def _fail(self, failure: Failure) -> None:
        self.failure = failure
        self._pieces = []

    # --- the rules

    def _time(self, now: Timestamp) -> Timestamp:
        """Q1: one snapshot per transaction."""
        return self.start_ts

    def _may_tell(self, now: Timestamp) -> bool:
        """H3: what was seen is past for everybody."""
        return now >= self.start_ts


class SnapshotGone(PgError):
    """Versions that the transaction reads are not kept any more."""


def error(failure: Failure, age_s: float, limit_s: float) -> PgError:
    """What the client is told of a failure in a transaction that is `age_s` seconds old (dsql-reference §4, §5.1).

    Above the age limit that is the reason. Below, versions went early (all replicas of a shard were rebuilt, say):
    a retry with a new start_ts succeeds, which is what 40001 asks for.
    """
    if failure == Failure.TOO_OLD and age_s > limit_s:
        return SnapshotGone(
            "54000",
            f"transaction age limit of {limit_s:.0f}s exceeded",
            detail=f"Current transaction age {age_s:.0f}s exceeds {limit_s:.0f}s",
        )
    found = conflict()
    return SnapshotGone(found.sqlstate, found.message) if failure == Failure.TOO_OLD else found
