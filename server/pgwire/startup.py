"""From the first packet to an authenticated user: negotiation, start-up packet, SCRAM or token (PostgreSQL 55.2.1).

A state machine over whole packets: the connection does the framing. Answers are appended to `out`; what
the connection must do next is the returned `Next`. Every PgError raised here is FATAL.
"""

import enum
import struct
from collections.abc import Callable
from dataclasses import dataclass

from pygwire import messages as pg

from server.errors import PgError
from server.pgwire import scram, sigv4
from server.pgwire.codec import text
from server.pgwire.session_protocol import Gate

FIXED_PARAMETERS = {
    "server_version": "16.15",
    "server_encoding": "UTF8",
    "client_encoding": "UTF8",
    "application_name": "",
    "default_transaction_read_only": "off",
    "in_hot_standby": "off",
    "is_superuser": "off",
    "DateStyle": "ISO, MDY",
    "IntervalStyle": "postgres",
    "TimeZone": "UTC",
    "integer_datetimes": "on",
    "standard_conforming_strings": "on",
    "scram_iterations": "4096",
}
"""ParameterStatus at start-up where the session's `parameters` do not say otherwise (dsql-reference §8.3)."""

CLUSTER_OPTION = "amzn-cluster-id"
"""The start-up option that chooses a cluster, in place of the host name (dsql-reference §7)."""
MAX_STARTUP_PACKET = 10_000
MAX_PASSWORD_MESSAGE = 65_535
PROTOCOL_LATEST = 0x0003_0000

_SSL_REQUEST = 80877103
_GSSENC_REQUEST = 80877104
_CANCEL_REQUEST = 80877102
_CODE = struct.Struct("!I")


class Next(enum.Enum):
    """What follows a packet."""

    PACKET = enum.auto()
    """another start-up packet (after GSSENCRequest or a refused SSLRequest)"""
    TLS = enum.auto()
    """the answer S has to go out in clear, then the TLS handshake"""
    CANCEL = enum.auto()
    """a cancel request is in `cancel`; the connection ends without an answer"""
    PASSWORD = enum.auto()
    """a password message"""
    ENTERED = enum.auto()
    """the user is authenticated and may enter"""


@dataclass(frozen=True, slots=True)
class Policy:
    """What one listener demands of those who connect."""

    gate: Gate
    tls_offered: bool
    tls_required: bool
    random: Callable[[int], bytes]
    mock_secret: bytes
    """Hides which users exist; random, constant while the server runs."""
    certificate_hash: bytes | None = None
    """SHA-256 of the certificate, for SCRAM-SHA-256-PLUS."""


class Startup:
    """One connection's way in."""

    def __init__(self, policy: Policy, peer: str, out: list[bytes], refusal: PgError | None) -> None:
        self.user = ""
        self.database = ""
        self.options: dict[str, str] = {}
        self.cancel: tuple[int, bytes] | None = None
        self.is_tls = False
        self.server_name: str | None = None
        """What the client calls the server (TLS's SNI)."""
        self._policy = policy
        self._gate = policy.gate
        self._peer = peer
        self._out = out
        self._refusal = refusal
        self._gss_answered = False
        self._tls_answered = False
        self._is_token_asked = False
        self._exchange: scram.Exchange | None = None
        self._genuine = False

    @property
    def awaited(self) -> str:
        """What the next password message is called, as PostgreSQL's errors do."""
        return "password" if self._is_token_asked else "SASL"

    def packet(self, body: bytes) -> Next:
        """A start-up packet, without its length."""
        (code,) = _CODE.unpack_from(body)
        if code == _CANCEL_REQUEST:
            if len(body) != 12:
                raise fatal("08P01", "invalid length of cancel request packet")
            self.cancel = (_CODE.unpack_from(body, 4)[0], body[8:])
            return Next.CANCEL
        if code == _SSL_REQUEST and not (self._tls_answered or self.is_tls):
            self._tls_answered = True
            self._out.append(pg.SSLResponse(accepted=self._policy.tls_offered).to_wire())
            return Next.TLS if self._policy.tls_offered else Next.PACKET
        if code == _GSSENC_REQUEST and not self._gss_answered:
            self._gss_answered = True
            self._out.append(pg.GSSResponse(accepted=False).to_wire())
            return Next.PACKET
        major, minor = code >> 16, code & 0xFFFF
        if major != 3:
            wanted = f"unsupported frontend protocol {major}.{minor}"
            raise fatal("0A000", f"{wanted}: server supports 3.0 to 3.0")
        self._read(_pairs(body[4:]), minor)
        return self._ask()

    def password(self, body: bytes) -> Next:
        """A token; or SASLInitialResponse, then SASLResponse."""
        if self._is_token_asked:
            self._gate.check_token(self.user, _token(body))
            return self._enter()
        if self._exchange is None:
            self._exchange, data = self._choose(body)
            self._out.append(pg.AuthenticationSASLContinue(data=self._exchange.first(data)).to_wire())
            return Next.PASSWORD
        answer = self._exchange.final(body)
        if answer is None or not self._genuine:
            raise fatal("28P01", f'password authentication failed for user "{self.user}"')
        self._out.append(pg.AuthenticationSASLFinal(data=answer).to_wire())
        return self._enter()

    def _read(self, pairs: dict[str, str], minor: int) -> None:
        unknown = [name for name in pairs if name.startswith("_pq_.")]
        if minor > 0 or unknown:
            # libpq reads the whole version here (as PostgreSQL sends it), not the minor one of the manual.
            answer = pg.NegotiateProtocolVersion(newest_minor=PROTOCOL_LATEST, unrecognized=unknown)
            self._out.append(answer.to_wire())
        self.user = pairs.pop("user", "")
        if not self.user:
            raise fatal("28000", "no PostgreSQL user name specified in startup packet")
        self.database = pairs.pop("database", "") or self.user
        if pairs.pop("replication", "false").lower() not in ("false", "off", "no", "0", "f", "n"):
            raise fatal("0A000", "replication connections are not supported")
        self.options = parse_options(pairs.pop("options", ""))
        for name, value in pairs.items():
            if not name.startswith("_pq_."):
                self.options[name.lower()] = value

    def _ask(self) -> Next:
        policy = self._policy
        if self._refusal is not None:
            raise self._refusal
        if policy.tls_required and not self.is_tls:
            who = f'host "{self._peer}", user "{self.user}", database "{self.database}"'
            raise fatal("28000", f"no pg_hba.conf entry for {who}, no encryption")
        self._gate = policy.gate.at(self.server_name, self.options.pop(CLUSTER_OPTION, None))
        if self._gate.cluster_id is not None:
            self.options[CLUSTER_OPTION] = self._gate.cluster_id
        method = self._gate.method(self.user, self.database, self.is_tls)
        if method == "trust":
            return self._enter()
        if method == "token":
            self._is_token_asked = True
            self._out.append(pg.AuthenticationCleartextPassword().to_wire())
            return Next.PASSWORD
        mechanisms = [scram.MECHANISM]
        if self._plus_offered:
            mechanisms.insert(0, scram.MECHANISM_PLUS)
        self._out.append(pg.AuthenticationSASL(mechanisms=mechanisms).to_wire())
        return Next.PASSWORD

    @property
    def _plus_offered(self) -> bool:
        return self.is_tls and self._policy.certificate_hash is not None

    def _choose(self, body: bytes) -> tuple[scram.Exchange, bytes]:
        name, separator, rest = body.partition(b"\0")
        if not separator or len(rest) < 4 or _CODE.unpack_from(rest)[0] != len(rest) - 4:
            raise fatal("08P01", "malformed SASLInitialResponse message")
        mechanism = name.decode("ascii", "replace")
        if mechanism == scram.MECHANISM:
            binding = None
        elif mechanism == scram.MECHANISM_PLUS and self._plus_offered:
            binding = self._policy.certificate_hash
        else:
            raise fatal("08P01", "client selected an invalid SASL authentication mechanism")
        stored = self._gate.verifier(self.user)
        verifier = None if stored is None else scram.parse_verifier(stored)
        self._genuine = verifier is not None
        if verifier is None:
            verifier = scram.mock_verifier(self.user, self._policy.mock_secret)
        nonce = self._policy.random(18)
        return scram.Exchange(verifier, nonce, binding, self._plus_offered), rest[4:]

    def _enter(self) -> Next:
        self._gate.check_role(self.user, self.database, self.options)
        return Next.ENTERED


def _token(body: bytes) -> str:
    """PasswordMessage: one string (PostgreSQL 55.7). What is not ASCII is no token."""
    if not body or body.find(0) != len(body) - 1:
        raise fatal("08P01", "invalid password packet size")
    try:
        return body[:-1].decode("ascii")
    except UnicodeDecodeError:
        raise sigv4.access_denied() from None


def fatal(sqlstate: str, message: str) -> PgError:
    """An error with which the connection ends."""
    return PgError(sqlstate, message, severity="FATAL")


def parse_options(options: str) -> dict[str, str]:
    """The settings of the start-up packet's `options`: `-c name=value`, `-cname=value`, `--name=value`.

    Words are split at white space, a backslash takes the next character as it is (pg_split_opts); in names
    `-` is `_` (ParseLongOption), except that a name that starts with `amzn-` (dsql-reference §7) stays.
    """
    settings: dict[str, str] = {}
    words = iter(_split(options))
    for word in words:
        if word == "-c":
            pair = next(words, "")
        elif word.startswith(("-c", "--")):
            pair = word[2:]
        else:
            raise fatal("42601", f"invalid command-line argument for server process: {word}")
        name, separator, value = pair.partition("=")
        if not separator:
            raise fatal("42601", f"{word if word.startswith('--') else f'-c {name}'} requires a value")
        name = name.lower()
        settings[name if name.startswith("amzn-") else name.replace("-", "_")] = value
    return settings


def _split(options: str) -> list[str]:
    words: list[str] = []
    word: list[str] | None = None
    characters = iter(options)
    for character in characters:
        if character.isspace():
            if word is not None:
                words.append("".join(word))
            word = None
            continue
        word = word if word is not None else []
        word.append(next(characters, "") if character == "\\" else character)
    if word is not None:
        words.append("".join(word))
    return words


def _pairs(body: bytes) -> dict[str, str]:
    """Name and value strings up to an empty name, which must be the last byte."""
    pairs: dict[str, str] = {}
    position = 0
    while True:
        name, position = _string(body, position)
        if not name:
            break
        pairs[name], position = _string(body, position)
    if position != len(body):
        raise _layout()
    return pairs


def _string(body: bytes, position: int) -> tuple[str, int]:
    stop = body.find(0, position)
    if stop < 0:
        raise _layout()
    try:
        return text(body[position:stop]), stop + 1
    except PgError as error:
        raise fatal(error.sqlstate, error.message) from None


def _layout() -> PgError:
    return fatal("08P01", "invalid startup packet layout: expected terminator as last byte")
