"""SCRAM-SHA-256, the server's side (RFC 5802, RFC 7677; PostgreSQL 55.3), without I/O or randomness."""

import base64
import binascii
import hashlib
import hmac
import stringprep
import unicodedata
from typing import NamedTuple

from server.errors import PgError

ITERATIONS = 4096
MECHANISM = "SCRAM-SHA-256"
MECHANISM_PLUS = "SCRAM-SHA-256-PLUS"

_PROHIBITED = (
    stringprep.in_table_c12,
    stringprep.in_table_c21_c22,
    stringprep.in_table_c3,
    stringprep.in_table_c4,
    stringprep.in_table_c5,
    stringprep.in_table_c6,
    stringprep.in_table_c7,
    stringprep.in_table_c8,
    stringprep.in_table_c9,
    stringprep.in_table_a1,
)


class Verifier(NamedTuple):
    """What the server keeps instead of a password (RFC 5802 §3)."""

    iterations: int
    salt: bytes
    stored_key: bytes
    server_key: bytes


def make_verifier(password: str, salt: bytes, iterations: int = ITERATIONS) -> str:
    """The stored form of a password, as in PostgreSQL's pg_authid.rolpassword."""
    salted = hashlib.pbkdf2_hmac("sha256", _prepared(password).encode(), salt, iterations)
    stored = hashlib.sha256(_hmac(salted, b"Client Key")).digest()
    server = _hmac(salted, b"Server Key")
    return f"SCRAM-SHA-256${iterations}:{_base64(salt)}${_base64(stored)}:{_base64(server)}"


def parse_verifier(stored: str) -> Verifier | None:
    """Read `SCRAM-SHA-256$iterations:salt$stored:server`; None if it is not of that form."""
    try:
        scheme, parameters, keys = stored.split("$")
        iterations, salt = parameters.split(":")
        stored_key, server_key = (base64.b64decode(key, validate=True) for key in keys.split(":"))
        verifier = Verifier(int(iterations), base64.b64decode(salt, validate=True), stored_key, server_key)
    except ValueError:
        return None
    well_formed = scheme == MECHANISM and verifier.iterations > 0
    return verifier if well_formed and len(stored_key) == len(server_key) == 32 else None


def mock_verifier(user: str, secret: bytes) -> Verifier:
    """A verifier nobody can satisfy: the same salt for the same unknown user each time (RFC 5802 §9)."""
    salt = _hmac(secret, b"salt " + user.encode(errors="replace"))[:16]
    key = _hmac(secret, b"key " + user.encode(errors="replace"))
    return Verifier(ITERATIONS, salt, key, key)


class Exchange:
    """One authentication: `first` then `final`; raises FATAL 08P01 for what is not SCRAM."""

    def __init__(self, verifier: Verifier, nonce: bytes, binding: bytes | None, plus_offered: bool) -> None:
        """`binding`: the certificate's hash if the client chose -PLUS (tls-server-end-point, RFC 5929)."""
        self._verifier = verifier
        self._nonce = _base64(nonce)
        self._binding = binding
        self._plus_offered = plus_offered
        self._header = b""
        self._transcript = b""

    def first(self, data: bytes) -> bytes:
        """client-first-message in, server-first-message out."""
        try:
            flag, identity, bare = data.decode("ascii").split(",", 2)
        except (UnicodeDecodeError, ValueError):
            raise _malformed("The message does not have its three parts.") from None
        self._check_binding_flag(flag)
        if identity:
            raise _fatal("0A000", "client uses authorization identity, but it is not supported")
        self._header = f"{flag},{identity},".encode()
        attributes = bare.split(",")
        if len(attributes) < 2 or not attributes[0].startswith("n=") or not attributes[1].startswith("r="):
            raise _malformed("Expected the attributes n and r.")
        client_nonce = attributes[1][2:]
        if not client_nonce or not client_nonce.isprintable():
            raise _malformed("The nonce is not printable.")
        self._nonce = client_nonce + self._nonce
        iterations, salt = self._verifier.iterations, _base64(self._verifier.salt)
        answer = f"r={self._nonce},s={salt},i={iterations}".encode()
        self._transcript = bare.encode() + b"," + answer
        return answer

    def final(self, data: bytes) -> bytes | None:
        """client-final-message in; server-final-message out, or None if the proof is wrong."""
        without_proof, separator, encoded = data.rpartition(b",p=")
        expected = base64.b64encode(self._header + (self._binding or b""))
        attributes = without_proof.split(b",")
        if not separator or len(attributes) < 2:
            raise _malformed("Expected the attributes c, r and p.")
        if attributes[0] != b"c=" + expected:
            raise _fatal("28000", "SCRAM channel binding check failed")
        if attributes[1] != b"r=" + self._nonce.encode():
            raise _fatal("08P01", "invalid SCRAM response", "Nonce does not match.")
        try:
            proof = base64.b64decode(encoded, validate=True)
        except binascii.Error:
            proof = b""
        if len(proof) != 32:
            raise _malformed("Malformed proof in client-final-message.")
        transcript = self._transcript + b"," + without_proof
        signature = _hmac(self._verifier.stored_key, transcript)
        client_key = bytes(a ^ b for a, b in zip(proof, signature))
        if not hmac.compare_digest(hashlib.sha256(client_key).digest(), self._verifier.stored_key):
            return None
        return b"v=" + base64.b64encode(_hmac(self._verifier.server_key, transcript))

    def _check_binding_flag(self, flag: str) -> None:
        if self._binding is not None:
            if flag != "p=tls-server-end-point":
                raise _malformed("The client selected SCRAM-SHA-256-PLUS without tls-server-end-point.")
        elif flag == "y":
            # The client believes that we cannot bind; if we offered it, somebody removed the offer.
            if self._plus_offered:
                raise _fatal("28000", "SCRAM channel binding negotiation error")
        elif flag != "n":
            raise _malformed("The client selected SCRAM-SHA-256 without channel binding.")


def _prepared(password: str) -> str:
    """SASLprep (RFC 4013); a password that it prohibits is used as it is, as PostgreSQL does."""
    mapped = "".join(
        " " if stringprep.in_table_c12(c) else c for c in password if not stringprep.in_table_b1(c)
    )
    normal = unicodedata.normalize("NFKC", mapped)
    if not normal or any(test(c) for c in normal for test in _PROHIBITED):
        return password
    right_to_left = [stringprep.in_table_d1(c) for c in normal]
    if any(right_to_left):
        mixed = any(stringprep.in_table_d2(c) for c in normal)
        if mixed or not (right_to_left[0] and right_to_left[-1]):
            return password
    return normal


def _hmac(key: bytes, data: bytes) -> bytes:
    return hmac.digest(key, data, "sha256")


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _fatal(sqlstate: str, message: str, detail: str | None = None) -> PgError:
    return PgError(sqlstate, message, detail=detail, severity="FATAL")


def _malformed(detail: str) -> PgError:
    return _fatal("08P01", "malformed SCRAM message", detail)
