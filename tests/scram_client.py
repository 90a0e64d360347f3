"""The client's side of SCRAM-SHA-256(-PLUS), written from RFC 5802 independently of the server's."""

import base64
import hashlib
import hmac

from pygwire import messages as pg


def _b64(data: bytes) -> bytes:
    return base64.b64encode(data)


class ScramClient:
    """One exchange; a certificate's hash makes it use channel binding."""

    def __init__(self, password: str, certificate_hash: bytes | None = None) -> None:
        self.password = password
        self.header = b"n,," if certificate_hash is None else b"p=tls-server-end-point,,"
        self.binding = certificate_hash or b""
        self.bare = b"n=,r=clientnonce"
        self.server_signature = b""

    def first(self) -> bytes:
        mechanism = "SCRAM-SHA-256-PLUS" if self.binding else "SCRAM-SHA-256"
        return pg.SASLInitialResponse(mechanism=mechanism, data=self.header + self.bare).to_wire()

    def final(self, answer: bytes) -> bytes:
        assert answer[5:9] == b"\0\0\0\x0b"
        server_first = answer[9:]
        nonce, salt, iterations = (part[2:] for part in server_first.split(b","))
        assert nonce.startswith(b"clientnonce")
        salted = hashlib.pbkdf2_hmac(
            "sha256", self.password.encode(), base64.b64decode(salt), int(iterations)
        )
        client_key = hmac.digest(salted, b"Client Key", "sha256")
        without_proof = b"c=" + _b64(self.header + self.binding) + b",r=" + nonce
        transcript = b",".join((self.bare, server_first, without_proof))
        signature = hmac.digest(hashlib.sha256(client_key).digest(), transcript, "sha256")
        proof = bytes(a ^ b for a, b in zip(client_key, signature))
        server_key = hmac.digest(salted, b"Server Key", "sha256")
        self.server_signature = hmac.digest(server_key, transcript, "sha256")
        return pg.SASLResponse(data=without_proof + b",p=" + _b64(proof)).to_wire()

    def check(self, answer: bytes) -> None:
        """The server knew the password too."""
        assert answer[5:].startswith(b"\0\0\0\x0cv=" + _b64(self.server_signature))
