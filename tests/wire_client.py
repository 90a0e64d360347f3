"""A client without a socket: pygwire's frontend state machine talking to one of our connections."""

import os

from pygwire import FrontendConnection
from pygwire import messages as pg

from server.pgwire.connection import Connection, Counters, Environment
from server.pgwire.startup import Policy
from server.session.work import Slice
from tests.canned import CannedNode, CannedSession


def connect(
    node: CannedNode,
    *,
    tls_offered: bool = False,
    tls_required: bool = False,
    certificate_hash: bytes | None = None,
) -> Connection:
    """A connection of `node`, before its first byte."""
    policy = Policy(node, tls_offered, tls_required, os.urandom, b"m" * 32, certificate_hash)
    return Connection(Environment(policy, node.open_session, lambda defect: "id", Counters()), "192.0.2.1")


class WireClient:
    """Sends messages, in one piece or byte by byte, and collects the decoded answers."""

    def __init__(self, node: CannedNode | None = None) -> None:
        self.node = node or CannedNode()
        self.connection = connect(self.node)
        self.protocol = FrontendConnection(strict=False)

    @classmethod
    def entered(cls) -> "WireClient":
        """A client that has logged in."""
        client = cls()
        client.send(pg.StartupMessage(params={"user": "admin", "database": "postgres"}))
        return client

    @property
    def session(self) -> CannedSession:
        return self.node.sessions[-1]

    def send(self, *messages: pg.PGMessage) -> list[pg.PGMessage]:
        """Everything in one piece; the answers that were sent."""
        return self.feed(b"".join(self.protocol.send(message) for message in messages))

    def feed(self, data: bytes) -> list[pg.PGMessage]:
        self.connection.receive(data)
        return self.answers()

    def answers(self) -> list[pg.PGMessage]:
        """Give the connection its turns, as the shell would, and decode what it sends."""
        data = self.connection.output()
        while isinstance(self.connection.waiting, Slice) and not self.connection.held:
            self.connection.turn()
            data += self.connection.output()
        return list(self.protocol.receive(data))

    def kinds(self, *messages: pg.PGMessage) -> str:
        """The answers' type bytes, with the SQLSTATE of errors."""
        return kinds(self.send(*messages))


def kinds(answers: list[pg.PGMessage]) -> str:
    return " ".join(
        answer.code if isinstance(answer, pg.ErrorResponse) else answer.identifier.decode()
        for answer in answers
    )
