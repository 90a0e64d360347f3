"""TLS: a certificate authority of the data directory's own, the server's certificate, and the tunnel.

A client that trusts `ca.pem` can use `sslmode=verify-full`. The tunnel is `ssl.SSLObject` over memory, so
that the same listening port can start in clear, upgrade at SSLRequest, or begin with a TLS record at once.
"""

import datetime
import hashlib
import ipaddress
import logging
import re
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from server.runtime import certificates

log = logging.getLogger("opendsql.tls")

ALPN = "postgresql"
"""PostgreSQL chapter 55.2.10."""
LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")

_READ_SIZE = 256 << 10
_NAME_LENGTH = 253
_LABEL = "[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST_NAME = re.compile(rf"(?:\*\.)?{_LABEL}(?:\.{_LABEL})*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ServerTls:
    """What a listener needs to offer TLS."""

    context: ssl.SSLContext
    certificate_hash: bytes
    """SHA-256 of the certificate's DER form (tls-server-end-point, RFC 5929)."""


def subject_name(text: str) -> str:
    """A host name (also `*.example.org`) or an address as a certificate has it; raises ValueError."""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        if len(text) > _NAME_LENGTH or _HOST_NAME.fullmatch(text) is None:
            raise ValueError(f"{text!r} is neither a host name nor an address") from None
        return text.lower()


def names_of(host: str, others: Sequence[str]) -> list[str]:
    """What clients may call a server that listens on `host`: it and `others`; any address has no name."""
    return [*([] if host in ("0.0.0.0", "::", "") else [host]), *others]


def open_directory(directory: Path, names: Sequence[str], now: datetime.datetime) -> ServerTls:
    """The TLS of a data directory: `ca.pem`, `ca.key`, `server.pem`, `server.key`, made or renewed as needed.

    `names`: host names, addresses and wildcards (`*.dsql.us-east-1.on.aws`) beyond the loopback ones.
    `now` has a time zone. Raises OSError if the directory cannot be written, ValueError if a file in it is
    not a certificate or key.
    """
    authority = certificates.open_authority(directory, "OpenDSQL local authority", now)
    subject = certificates.Subject("OpenDSQL", tuple(dict.fromkeys([*LOCAL_NAMES, *names])))
    der = certificates.open_issued(directory, "server", subject, authority, now)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    context.num_tickets = 0
    context.sslobject_class = _End
    context.sni_callback = _named
    context.set_alpn_protocols([ALPN])
    context.load_cert_chain(directory / "server.pem", directory / "server.key")
    return ServerTls(context, hashlib.sha256(der).digest())


class _End(ssl.SSLObject):
    """The server's end of a tunnel."""

    asked_for: str | None = None
    """The name in the client's server name indication (RFC 6066)."""


def _named(end: ssl.SSLObject | ssl.SSLSocket, name: str | None, _context: ssl.SSLContext) -> None:
    if isinstance(end, _End):
        end.asked_for = name


class Renewal:
    """What a listener asks now and then: whether the certificate of a data directory is another one by now."""

    def __init__(
        self, directory: Path, names: Sequence[str], now: datetime.datetime, *, makes: bool = True
    ) -> None:
        """As `open_directory`, whose result is `first`; `makes`: this process makes it again in time, others look."""
        self._directory = directory
        self._names = names
        self._makes = makes
        self.first = open_directory(directory, names, now)
        self._stamp = self._stamped()

    def renewed(self, now: datetime.datetime) -> ServerTls | None:
        """What new connections get from now on; None: what they got so far."""
        try:
            is_due = self._makes and certificates.is_due(self._directory / "server.pem", now)
            if self._stamped() == self._stamp and not is_due:
                return None
            found = open_directory(self._directory, self._names, now)
            self._stamp = self._stamped()
        except (OSError, ValueError) as error:
            log.error("certificate is not renewed directory=%s error=%s", self._directory, error)
            return None
        log.info("certificate renewed directory=%s", self._directory)
        return found

    def _stamped(self) -> tuple[tuple[int, int, int], ...]:
        return certificates.stamp(self._directory / name for name in ("server.pem", "server.key"))


class Tunnel:
    """The server's end of one TLS connection: ciphertext in, plain text out, and back."""

    __slots__ = ("_incoming", "_object", "_outgoing", "established")

    def __init__(self, context: ssl.SSLContext) -> None:
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._object = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self.established = False

    def receive(self, data: bytes) -> bytes:
        """Take ciphertext; returns the plain text in it, b"" while the handshake goes on.

        Afterwards send what `outgoing` returns. Raises ssl.SSLError for a failed handshake or a bad
        record, and ssl.SSLZeroReturnError when the client has closed the tunnel.
        """
        self._incoming.write(data)
        plain: list[bytes] = []
        try:
            if not self.established:
                self._object.do_handshake()
                self.established = True
            while True:
                piece = self._object.read(_READ_SIZE)
                if not piece:
                    raise ssl.SSLZeroReturnError
                plain.append(piece)
        except ssl.SSLWantReadError:
            return b"".join(plain)
        except ssl.SSLZeroReturnError:
            if plain:
                return b"".join(plain)
            raise

    def send(self, data: bytes) -> bytes:
        """Encrypt; returns the ciphertext."""
        self._object.write(data)
        return self._outgoing.read()

    def outgoing(self) -> bytes:
        """Ciphertext that the handshake, or an alert, wants to send."""
        return self._outgoing.read()

    @property
    def server_name(self) -> str | None:
        """What the client called the server, if it did."""
        return self._object.asked_for if isinstance(self._object, _End) else None

    @property
    def protocol(self) -> str | None:
        """The application protocol that both sides agreed on."""
        return self._object.selected_alpn_protocol()
