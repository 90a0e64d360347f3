"""The way in: negotiation, the start-up packet, passwords, and what is refused with which text."""

import struct

import pytest
from pygwire import messages as pg

from server.errors import PgError
from server.pgwire.scram import make_verifier
from server.pgwire.startup import MAX_STARTUP_PACKET, parse_options
from tests.canned import PASSWORD_SALT, CannedNode
from tests.scram_client import ScramClient
from tests.wire_client import connect

SSL_REQUEST = pg.SSLRequest().to_wire()
GSSENC_REQUEST = pg.GSSEncRequest().to_wire()


def startup(version: int = 0x30000, **params: str) -> bytes:
    params = {"user": "admin", "database": "postgres", **params}
    return pg.StartupMessage(params=params, protocol_version=version).to_wire()


def raw(body: bytes) -> bytes:
    return struct.pack("!I", len(body) + 4) + body


def refused(data: bytes, **options: bool) -> tuple[str, str]:
    connection = connect(CannedNode(), **options)
    connection.receive(data)
    answer = connection.output()
    assert answer.startswith(b"E")
    assert connection.closing
    fields = pg.ErrorResponse.decode(memoryview(answer)[5:]).fields
    assert fields["S"] == fields["V"] == "FATAL"
    return fields["C"], fields["M"]


def statuses(answer: bytes) -> dict[str, str]:
    pairs: dict[str, str] = {}
    position = 0
    while position < len(answer):
        (length,) = struct.unpack_from("!I", answer, position + 1)
        if answer[position : position + 1] == b"S":
            name, value, _ = answer[position + 5 : position + 1 + length].split(b"\0")
            pairs[name.decode()] = value.decode()
        position += length + 1
    return pairs


def test_trust_reports_everything_and_is_ready() -> None:
    node = CannedNode()
    connection = connect(node)
    connection.receive(startup(application_name="psql", TimeZone="UTC"))
    answer = connection.output()
    assert answer.startswith(b"R\0\0\0\x08\0\0\0\0S")
    assert answer.endswith(b"K\0\0\0\x0c" + struct.pack("!I", 1000) + b"\1\2\3\4" + b"Z\0\0\0\5I")
    reported = statuses(answer)
    assert reported["session_authorization"] == "admin"
    assert reported["application_name"] == "psql"
    assert reported["server_version"] == "16.15"
    assert reported["integer_datetimes"] == reported["standard_conforming_strings"] == "on"
    assert node.sessions[0].options == {"application_name": "psql", "timezone": "UTC"}


def test_the_database_is_the_user_by_default() -> None:
    packet = raw(struct.pack("!I", 0x30000) + b"user\0ann\0\0")
    assert refused(packet) == ("3D000", 'database "ann" does not exist')


def test_ssl_and_gss_requests_are_answered_once_each() -> None:
    connection = connect(CannedNode())
    connection.receive(GSSENC_REQUEST)
    assert connection.output() == b"N"
    connection.receive(SSL_REQUEST)
    assert connection.output() == b"N"
    connection.receive(startup())
    assert connection.output().startswith(b"R")
    again = connect(CannedNode())
    again.receive(SSL_REQUEST + SSL_REQUEST)
    assert again.closing


def test_tls_is_accepted_where_offered() -> None:
    connection = connect(CannedNode(), tls_offered=True)
    connection.receive(SSL_REQUEST)
    assert connection.output() == b"S"
    assert connection.upgrade


def test_clear_text_behind_the_ssl_request_is_refused() -> None:
    text = "received unencrypted data after SSL request"
    assert refused(SSL_REQUEST + startup(), tls_offered=True) == ("08P01", text)


def test_a_plain_connection_is_refused_before_a_password_where_tls_is_required() -> None:
    text = 'no pg_hba.conf entry for host "192.0.2.1", user "admin", database "postgres", no encryption'
    assert refused(startup(), tls_offered=True, tls_required=True) == ("28000", text)
    connection = connect(CannedNode(), tls_offered=True, tls_required=True)
    connection.encrypted()
    connection.receive(startup())
    assert connection.entered


@pytest.mark.parametrize(
    ("packet", "refusal"),
    [
        (b"GET / HTTP/1.0\r\n\r\n", ("08P01", "invalid length of startup packet")),
        (struct.pack("!I", MAX_STARTUP_PACKET + 1), ("08P01", "invalid length of startup packet")),
        (struct.pack("!I", 7), ("08P01", "invalid length of startup packet")),
        (struct.pack("!i", -1), ("08P01", "invalid length of startup packet")),
        (startup(0x20000), ("0A000", "unsupported frontend protocol 2.0: server supports 3.0 to 3.0")),
        (startup(0x40001), ("0A000", "unsupported frontend protocol 4.1: server supports 3.0 to 3.0")),
        (startup(user=""), ("28000", "no PostgreSQL user name specified in startup packet")),
        (startup(user="nobody"), ("28000", 'role "nobody" does not exist')),
        (startup(database="x"), ("3D000", 'database "x" does not exist')),
        (startup(replication="true"), ("0A000", "replication connections are not supported")),
        (startup(options="-d 5"), ("42601", "invalid command-line argument for server process: -d")),
        (startup(options="-c x"), ("42601", "-c x requires a value")),
        (raw(struct.pack("!I", 80877102) + b"123"), ("08P01", "invalid length of cancel request packet")),
        (
            raw(struct.pack("!I", 0x30000) + b"user\0a"),
            ("08P01", "invalid startup packet layout: expected terminator as last byte"),
        ),
        (
            raw(struct.pack("!I", 0x30000) + b"user\0a\0\0x"),
            ("08P01", "invalid startup packet layout: expected terminator as last byte"),
        ),
        (
            raw(struct.pack("!I", 0x30000) + b"user\0\xff\0\0"),
            ("22021", 'invalid byte sequence for encoding "UTF8": 0xff'),
        ),
    ],
)
def test_refusals(packet: bytes, refusal: tuple[str, str]) -> None:
    assert refused(packet) == refusal


def test_a_packet_of_exactly_the_limit_is_read() -> None:
    size = MAX_STARTUP_PACKET - len(startup(application_name=""))
    connection = connect(CannedNode())
    connection.receive(startup(application_name="x" * size))
    assert connection.entered


def test_newer_minor_versions_and_protocol_options_are_negotiated() -> None:
    connection = connect(CannedNode())
    connection.receive(startup(0x30002, **{"_pq_.compression": "on"}))
    expected = pg.NegotiateProtocolVersion(newest_minor=0x30000, unrecognized=["_pq_.compression"])
    assert connection.output().startswith(expected.to_wire() + b"R")


def test_a_cancel_request_is_handed_over_and_not_answered() -> None:
    connection = connect(CannedNode())
    connection.receive(pg.CancelRequest(process_id=7, secret_key=b"abcd").to_wire())
    assert connection.cancel == (7, b"abcd")
    assert connection.closing
    assert connection.output() == b""


def test_options() -> None:
    assert parse_options("-c a=1 -cB=2  --c-d=x=y") == {"a": "1", "b": "2", "c_d": "x=y"}
    assert parse_options(r"-c a=one\ two\\") == {"a": "one two\\"}
    assert parse_options("-c amzn-cluster-id=abc") == {"amzn-cluster-id": "abc"}
    assert parse_options("") == {}


def test_a_refusal_of_the_listener_comes_after_the_packet() -> None:
    full = PgError("53300", "Unable to accept connection, too many open connections.")
    node = CannedNode()
    connection = type(connect(node))(connect(node)._environment, "192.0.2.1", full)
    connection.receive(startup())
    assert b"53300" in connection.output()
    assert node.sessions == []


# Passwords


def log_in(password: str, user: str = "ann", *, is_tls: bool = False, plus: bool = False) -> bytes:
    node = CannedNode({"ann": make_verifier("secret", PASSWORD_SALT)})
    connection = connect(node, tls_offered=True, certificate_hash=b"c" * 32)
    if is_tls:
        connection.encrypted()
    connection.receive(startup(user=user))
    offer = connection.output()
    assert (b"SCRAM-SHA-256-PLUS\0" in offer) == is_tls
    client = ScramClient(password, b"c" * 32 if plus else None)
    connection.receive(client.first())
    answer = connection.output()
    if connection.closing:
        return answer
    connection.receive(client.final(answer))
    answer = connection.output()
    assert connection.entered != connection.closing
    if connection.entered:
        client.check(answer)
    return answer


def test_scram() -> None:
    assert log_in("secret").startswith(b"R")
    assert log_in("secret", is_tls=True).startswith(b"R")
    assert log_in("secret", is_tls=True, plus=True).startswith(b"R")


def test_a_wrong_password_and_an_unknown_user_fail_alike() -> None:
    wrong, unknown = log_in("wrong"), log_in("secret", user="bob")
    assert b"28P01" in wrong
    assert b'password authentication failed for user "ann"' in wrong
    assert wrong.replace(b"ann", b"bob") == unknown


def test_channel_binding_is_not_offered_in_clear() -> None:
    assert b"client selected an invalid SASL authentication mechanism" in log_in("secret", plus=True)


@pytest.mark.parametrize("data", [b"p\0\0\0\3", b"p\0\1\0\0", b"Q\0\0\0\6a\0", b"p\0\0\0\x08abc\0"])
def test_what_is_no_password_message_ends_the_connection(data: bytes) -> None:
    connection = connect(CannedNode({}))
    connection.receive(startup(user="ann"))
    connection.output()
    connection.receive(data)
    assert connection.closing
    assert b"FATAL" in connection.output()


def answered_token(message: bytes) -> tuple[str, str] | None:
    """What the server says to this answer to its request for a token; None: enter."""
    node = CannedNode(tokens={"ann": "token"})
    connection = connect(node)
    connection.receive(startup(user="ann"))
    assert connection.output() == b"R\0\0\0\x08\0\0\0\3"
    connection.receive(message)
    if connection.entered:
        return None
    assert connection.closing and not node.sessions
    fields = pg.ErrorResponse.decode(memoryview(connection.output())[5:]).fields
    return fields["C"], fields["M"]


@pytest.mark.parametrize(
    ("message", "refusal"),
    [
        (b"p\0\0\0\x0atoken\0", None),
        (b"p\0\0\0\x0atokem\0", ("08006", "unable to accept connection, access denied")),
        (b"p\0\0\0\x05\0", ("08006", "unable to accept connection, access denied")),
        (b"p\0\0\0\x0atok\xc3\xa4\0", ("08006", "unable to accept connection, access denied")),
        (b"p\0\0\0\x09token", ("08P01", "invalid password packet size")),
        (b"p\0\0\0\x0ctoken\0x\0", ("08P01", "invalid password packet size")),
        (b"p\0\0\0\x04", ("08P01", "invalid password packet size")),
        (b"p\0\1\0\0", ("08P01", "invalid message length")),
        (b"Q\0\0\0\x0atoken\0", ("08P01", "expected password response, got message type 81")),
    ],
)
def test_tokens(message: bytes, refusal: tuple[str, str] | None) -> None:
    assert answered_token(message) == refusal
