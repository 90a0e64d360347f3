"""Certificates on disk: an authority, what it issues, and when they are made again.

    STEM.pem, STEM.key    a certificate and its private key; only their owner may read them

A directory is the only place that knows its authority's key. Everything is ECDSA on P-256.
"""

import datetime
import ipaddress
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY_DAYS = 3650
ISSUED_DAYS = 397
RENEW_DAYS = 30
SERVER = ExtendedKeyUsageOID.SERVER_AUTH
CLIENT = ExtendedKeyUsageOID.CLIENT_AUTH


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom a certificate is for. `names` are host names, wildcards, addresses and URIs; `usages` extended ones."""

    common_name: str
    names: tuple[str, ...]
    usages: tuple[x509.ObjectIdentifier, ...] = (SERVER,)


@dataclass(frozen=True, slots=True)
class Authority:
    """Who signs."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def open_authority(directory: Path, common_name: str, now: datetime.datetime) -> Authority:
    """The authority in `ca.pem` and `ca.key`, made or renewed as needed; `now` has a time zone.

    Raises OSError if the directory cannot be written, ValueError if a file is not a certificate or key.
    """
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    path, key_path = directory / "ca.pem", directory / "ca.key"
    certificate = _load(path, key_path)
    if certificate is not None and not _is_stale(certificate, now):
        key = serialization.load_pem_private_key(key_path.read_bytes(), None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ValueError(f"{key_path} is not an elliptic curve key")
        return Authority(certificate, key)
    key = ec.generate_private_key(ec.SECP256R1())
    name = _named(common_name)
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
    return Authority(certificate, key)


def open_issued(
    directory: Path, stem: str, subject: Subject, authority: Authority, now: datetime.datetime
) -> bytes:
    """See to it that `stem`.pem in `directory` is for `subject`, signed by `authority`, and valid for a while.

    Returns its DER form. Raises OSError, ValueError like `open_authority`.
    """
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    certificate = _load(directory / f"{stem}.pem", directory / f"{stem}.key")
    kept = (
        certificate is not None
        and not _is_stale(certificate, now)
        and _is_signed_by(certificate, authority)
        and _names(certificate) == set(subject.names)
    )
    if certificate is None or not kept:
        certificate = _issue(directory, stem, subject, authority, now)
    return certificate.public_bytes(serialization.Encoding.DER)


def _issue(
    directory: Path, stem: str, subject: Subject, authority: Authority, now: datetime.datetime
) -> x509.Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    issuer_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key())
    certificate = (
        _builder(_named(subject.common_name), authority.certificate.subject, key, now, ISSUED_DAYS)
        .add_extension(
            x509.SubjectAlternativeName([_general(each) for each in subject.names]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage(subject.usages), critical=False)
        .add_extension(issuer_key, critical=False)
        .sign(authority.key, hashes.SHA256())
    )
    _store(directory, stem, certificate, key)
    return certificate


def _named(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


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
        # The other side's clock may be a little behind ours.
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=days))
    )


def _general(name: str) -> x509.GeneralName:
    if "://" in name:
        return x509.UniformResourceIdentifier(name)
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _names(certificate: x509.Certificate) -> set[str]:
    extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    hosts = extension.get_values_for_type(x509.DNSName)
    uris = extension.get_values_for_type(x509.UniformResourceIdentifier)
    return {*hosts, *uris, *(str(address) for address in extension.get_values_for_type(x509.IPAddress))}


def _is_signed_by(certificate: x509.Certificate, authority: Authority) -> bool:
    try:
        certificate.verify_directly_issued_by(authority.certificate)
    except (InvalidSignature, ValueError):
        return False  # of an authority before this one
    return True


def _is_stale(certificate: x509.Certificate, now: datetime.datetime) -> bool:
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
    write_private(directory / f"{stem}.key", private)
    write_private(directory / f"{stem}.pem", certificate.public_bytes(serialization.Encoding.PEM))


def is_due(path: Path, now: datetime.datetime) -> bool:
    """Whether the certificate there is to be made again. Raises OSError, ValueError."""
    return _is_stale(x509.load_pem_x509_certificate(path.read_bytes()), now)


def stamp(paths: Iterable[Path]) -> tuple[tuple[int, int, int], ...]:
    """What changes when one of the files is replaced or written. Raises OSError."""
    found = (path.stat() for path in paths)
    return tuple((each.st_mtime_ns, each.st_size, each.st_ino) for each in found)


def write_private(path: Path, data: bytes) -> None:
    """Replace a file as a whole, durably; nobody but its owner may read it. Raises OSError."""
    temporary = path.with_name(path.name + ".new")
    temporary.unlink(missing_ok=True)
    with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
