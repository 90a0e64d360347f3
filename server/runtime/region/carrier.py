"""What the processes of a region ask of a journal that they share with other regions."""

from typing import NamedTuple, Protocol

from journal.encoding import Sealed
from journal.journal import Conflict, Entry, Tail, Trimmed
from journal.record import Position


class Unreachable(Exception):
    """The carrier has no quorum here, or did not answer in time; nothing is known of the call's effect."""


class Room(NamedTuple):
    """Of a journal's carrier, in bytes; its fullest member counts."""

    size: int
    in_use: int
    quota: int
    is_tight: bool
    """Half is used: what can go should go."""


class Carrier(Protocol):
    """One journal, over the network. Every call may raise `Unreachable`; a repeated append is stored once (J6)."""

    async def anchor(self) -> Tail:
        """The record just below the first that is kept."""

    async def fence(self, epoch: int) -> Tail | Conflict:
        """From now on nobody of a lower epoch appends: the answer is the tail, behind which `epoch` claims.

        `Conflict`: somebody of an epoch as high was here before.
        """

    async def lead(self) -> bool:
        """The journal's owner is here now: make appends from here short; False: that can't be done now."""

    async def give_up_lead(self) -> None:
        """This region is out of service: whoever goes on must not depend on what is here."""

    async def append(self, record: Sealed) -> Tail | Conflict:
        """Append after position `record.position - 1`, durably; a claim likewise."""

    async def read(self, first: Position, limit: int = 256) -> list[Entry] | Trimmed:
        """Durable records from `first` on, in order and with a proved chain; none at the end."""

    async def changed(self, position: Position) -> None:
        """Returns when a record behind `position` may be there, or after a while."""

    async def trim(self, upto: Position) -> Position:
        """Drop records at positions <= `upto`, perhaps not all at once; returns the new first."""

    async def measure(self) -> Room:
        """How much room is left."""

    async def compact(self) -> None:
        """Let go of what was trimmed."""

    async def relieve(self, missing: int) -> Room:
        """Give freed space back, though that takes a while; so many members may be missing meanwhile."""
