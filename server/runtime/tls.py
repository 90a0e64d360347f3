"""TLS: a certificate authority of the data directory's own, the server's certificate, and the tunnel.

A client that trusts `ca.pem` can use `sslmode=verify-full`. The tunnel is `ssl.SSLObject` over memory, so
that the same listening port can start in clear, upgrade at SSLRequest, or begin with a TLS record at once.
"""

import datetime
import hashlib
import ipaddress
import os
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

ALPN = "postgresql"
"""PostgreSQL chapter 55.2.10."""
AUTHORITY_DAYS = 3650
SERVER_DAYS = 397
RENEW_DAYS = 30
LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")

_READ_SIZE = 256 << 10


@dataclass(frozen=True, slots=True)
class ServerTls:
    """What a listener needs to offer TLS."""

    context: ssl.SSLContext
    certificate_hash: bytes
    """SHA-256 of the certificate's DER form (tls-server-end-point, RFC 5929)."""


def open_directory(directory: Path, names: Sequence[str], now: datetime.datetime) -> ServerTls:
    """The TLS of a data directory: `ca.pem`, `ca.key`, `server.pem`, `server.key`, made or renewed as needed.

    `names`: host names, addresses and wildcards (`*.dsql.us-east-1.on.aws`) beyond the loopback ones.
    `now` has a time zone. Raises OSError if the directory cannot be written, ValueError if a file in it is
    not a certificate or key.
    """
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    authority, authority_key, fresh = _authority(directory, now)
    wanted = list(dict.fromkeys([*LOCAL_NAMES, *names]))
    path = directory / "server.pem"
    certificate = _load(path, directory / "server.key")
    if fresh or certificate is None or _stale(certificate, now) or _names(certificate) != set(wanted):
        certificate = _issue_server(directory, wanted, now, authority, authority_key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    context.num_tickets = 0
    context.set_alpn_protocols([ALPN])
    context.load_cert_chain(path, directory / "server.key")
    der = certificate.public_bytes(serialization.Encoding.DER)
    return ServerTls(context, hashlib.sha256(der).digest())


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
    def protocol(self) -> str | None:
        """The application protocol that both sides agreed on."""
        return self._object.selected_alpn_protocol()


def _authority(
    directory: Path, now: datetime.datetime
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey, bool]:
    path, key_path = directory / "ca.pem", directory / "ca.key"
    certificate = _load(path, key_path)
    if certificate is not None and not _stale(certificate, now):
        key = serialization.load_pem_private_key(key_path.read_bytes(), None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ValueError(f"{key_path} is not an elliptic curve key")
        return certificate, key, False
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "OpenDSQL local authority")])
    usage = x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    certificate = (
        _builder(name, name, key, now, AUTHORITY_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    _store(directory, "ca", certificate, key)
    return certificate, key, True


def _issue_server(
    directory: Path,
    names: Sequence[str],
    now: datetime.datetime,
    authority: x509.Certificate,
    authority_key: ec.EllipticCurvePrivateKey,
) -> x509.Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "OpenDSQL")])
    issuer_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key())
    certificate = (
        _builder(subject, authority.subject, key, now, SERVER_DAYS)
        .add_extension(x509.SubjectAlternativeName([_general(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(issuer_key, critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    _store(directory, "server", certificate, key)
    return certificate


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    now: datetime.datetime,
    days: int,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        # A client's clock may be a little behind ours.
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=days))
    )


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _names(certificate: x509.Certificate) -> set[str]:
    extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    hosts = extension.get_values_for_type(x509.DNSName)
    return {*hosts, *(str(address) for address in extension.get_values_for_type(x509.IPAddress))}


def _stale(certificate: x509.Certificate, now: datetime.datetime) -> bool:
    return certificate.not_valid_after_utc - now < datetime.timedelta(days=RENEW_DAYS)


def _load(path: Path, key_path: Path) -> x509.Certificate | None:
    if not (path.exists() and key_path.exists()):
        return None
    return x509.load_pem_x509_certificate(path.read_bytes())


def _store(
    directory: Path, stem: str, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey
) -> None:
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    # The certificate last: a key without its certificate is made again, a pair that does not match is not.
    (directory / f"{stem}.pem").unlink(missing_ok=True)
    _write(directory / f"{stem}.key", private)
    _write(directory / f"{stem}.pem", certificate.public_bytes(serialization.Encoding.PEM))


def _write(path: Path, data: bytes) -> None:
    temporary = path.with_name(path.name + ".new")
    temporary.unlink(missing_ok=True)
    with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
