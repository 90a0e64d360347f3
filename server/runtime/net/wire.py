"""The frames between nodes (msgpack: tag, fields), and the messages in them.

    dialer    Hello   Post  Ask  Withdraw  Ping    ──▶  acceptor
              ◀──     Welcome   Answer  Failed  Pong

A message's type belongs to its receiver; on the wire it has a name, so that it may move between modules while
old and new builds run side by side. Fields are only ever added at the end, with defaults: an older build passes over
them, a newer one has the default. What a build does not know it drops and counts; a question gets a refusal. VERSION is
raised only when builds can't talk any more: then they refuse each other's connections, which is counted too.
"""

from collections.abc import Mapping
from typing import Any, TypeAlias

import msgspec

VERSION = 1


class Hello(msgspec.Struct, frozen=True, array_like=True, tag=1):
    """The dialer's first frame: who it is, and whom it wants."""

    version: int
    cluster: str
    region: str
    node: str
    to: str
    build: str = ""
    """Of OpenDSQL, for operators."""


class Welcome(msgspec.Struct, frozen=True, array_like=True, tag=2):
    """The acceptor takes it."""

    version: int
    build: str = ""


class Post(msgspec.Struct, frozen=True, array_like=True, tag=3):
    """A message that wants no answer."""

    name: str
    body: msgspec.Raw


class Ask(msgspec.Struct, frozen=True, array_like=True, tag=4):
    """A message that wants an answer within `patience_ms`; `number` is unique on its connection."""

    number: int
    name: str
    patience_ms: int
    body: msgspec.Raw


class Answer(msgspec.Struct, frozen=True, array_like=True, tag=5):
    """To the `Ask` of that number."""

    number: int
    name: str
    body: msgspec.Raw


class Failed(msgspec.Struct, frozen=True, array_like=True, tag=6):
    """Instead of an `Answer`."""

    number: int
    reason: str


class Withdraw(msgspec.Struct, frozen=True, array_like=True, tag=7):
    """Nobody waits for that answer any more."""

    number: int


class Ping(msgspec.Struct, frozen=True, array_like=True, tag=8):
    """Is anybody there?"""

    number: int


class Pong(msgspec.Struct, frozen=True, array_like=True, tag=9):
    """To the `Ping` of that number."""

    number: int


ToAcceptor: TypeAlias = Hello | Post | Ask | Withdraw | Ping
ToDialer: TypeAlias = Welcome | Answer | Failed | Pong
Frame: TypeAlias = ToAcceptor | ToDialer

encode = msgspec.msgpack.Encoder().encode
decode_to_acceptor = msgspec.msgpack.Decoder(ToAcceptor).decode
decode_to_dialer = msgspec.msgpack.Decoder(ToDialer).decode

KEEP_ALIVE = frozenset({"hello", "welcome", "ping", "pong"})
"""Names under which what keeps connections up is counted."""


class Unknown(ValueError):
    """No type of that name is known here, or its fields are not those of this build."""


class Vocabulary:
    """The types of message that a program may send and receive, by name."""

    def __init__(self, types: Mapping[str, type]) -> None:
        """Names are those on the wire; `KEEP_ALIVE`, "failed" and "withdraw" are taken."""
        taken = KEEP_ALIVE | {"failed", "withdraw"}
        if wrong := taken & types.keys():
            raise ValueError(f"names that are taken: {sorted(wrong)}")
        self._names = {kind: name for name, kind in types.items()}
        if len(self._names) != len(types):
            raise ValueError("a type has two names")
        self._decoders: dict[str, msgspec.msgpack.Decoder[Any]] = {
            name: msgspec.msgpack.Decoder(kind) for name, kind in types.items()
        }

    def name(self, kind: type) -> str:
        """What `kind` is called; KeyError if it has no name."""
        return self._names[kind]

    def decode(self, name: str, body: msgspec.Raw) -> Any:
        """The message. Raises `Unknown`."""
        decoder = self._decoders.get(name)
        if decoder is None:
            raise Unknown(f"no message {name}")
        try:
            return decoder.decode(body)
        except msgspec.MsgspecError as error:
            raise Unknown(f"message {name}: {error}") from error
