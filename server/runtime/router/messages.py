"""What the router and a query processor say to each other about sessions, each named by its process id.

    router      Enter or Resume, then Input ...     ──▶  query processor
                ◀──  Output ... (how much input is done with; at rest?; what is left if this process dies)
                Suspend  ──▶      ◀──  Suspended (the state; the session is forgotten here), or Stays
                Drop: the client is gone            ──▶

The router forwards a client's bytes as they come, and keeps them back from Suspend until its answer: so no byte
ever reaches a process that has forgotten the session, and bytes that belong to no whole exchange keep it at rest
nowhere. A session is at rest when all the bytes that were sent are done with and the last exchange is answered.
"""

from typing import TypeAlias

import msgspec

from server.session.suspending import STATE_LIMIT

FRAME_LIMIT = STATE_LIMIT + (1 << 20)
PIECE = 1 << 20
"""Bytes of an answer in one frame."""


class Enter(msgspec.Struct, frozen=True, array_like=True, tag=1):
    """A client has logged in: make its session and greet it."""

    session: int
    secret: bytes
    user: str
    database: str
    options: dict[str, str]


class Resume(msgspec.Struct, frozen=True, array_like=True, tag=2):
    """Make the session again. `kept_s`: seconds since it was suspended; `is_bereft`: its transaction is lost."""

    session: int
    state: bytes
    kept_s: float
    is_bereft: bool


class Input(msgspec.Struct, frozen=True, array_like=True, tag=3):
    """Bytes from the client, cut anywhere."""

    session: int
    data: bytes


class Suspend(msgspec.Struct, frozen=True, array_like=True, tag=4):
    """`Suspended` or `Stays` answers."""

    session: int


class Hold(msgspec.Struct, frozen=True, array_like=True, tag=5):
    """Whether the client has stopped reading its answers."""

    session: int
    is_held: bool


class Cancel(msgspec.Struct, frozen=True, array_like=True, tag=6):
    """Stop the running statement; the router has checked the secret."""

    session: int


class Drop(msgspec.Struct, frozen=True, array_like=True, tag=7):
    """The client is gone: roll back and forget."""

    session: int


class Leave(msgspec.Struct, frozen=True, array_like=True, tag=8):
    """No session is left here: end the process."""


class Ready(msgspec.Struct, frozen=True, array_like=True, tag=16):
    """The process takes sessions."""


class Output(msgspec.Struct, frozen=True, array_like=True, tag=17):
    """Bytes for the client, `is_part` if the rest of them follows at once.

    `done`: bytes of input that are done with since the session came here. `base`: see `suspending.base`; None if
    it is what it was. Both and the rest are those after the answer.
    """

    session: int
    data: bytes
    is_part: bool
    done: int
    is_at_rest: bool
    is_in_block: bool
    base: bytes | None


class Suspended(msgspec.Struct, frozen=True, array_like=True, tag=18):
    """The state of a session that is no longer here."""

    session: int
    state: bytes


class Stays(msgspec.Struct, frozen=True, array_like=True, tag=19):
    """The session is more than a state, or too large a one."""

    session: int


class Closed(msgspec.Struct, frozen=True, array_like=True, tag=20):
    """The session has ended: write the bytes and close."""

    session: int
    data: bytes


ToProcessor: TypeAlias = Enter | Resume | Input | Suspend | Hold | Cancel | Drop | Leave
ToRouter: TypeAlias = Ready | Output | Suspended | Stays | Closed

decode_to_processor = msgspec.msgpack.Decoder(ToProcessor).decode
decode_to_router = msgspec.msgpack.Decoder(ToRouter).decode
