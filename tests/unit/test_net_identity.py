"""Nobody speaks to a node without a certificate of its cluster, nor under another name than the certificate's."""

import asyncio
import datetime
import ssl
from pathlib import Path

import pytest

from server.runtime.net import identity, wire
from server.runtime.net.identity import Identity
from server.runtime.net.transport import Address
from tests.networks import Note, Party, between, certificates, tls

NOW = datetime.datetime.now(datetime.UTC)


def one_node(work) -> None:
    """Do `work(a)` with node a, which knows b and c."""

    async def started(a: Party) -> None:
        others = [Identity("bank", "east", "b"), Identity("bank", "west", "c")]
        a.transport.connect([Address(other, "127.0.0.1", 1) for other in others])
        await work(a)

    between(lambda: [Party("east", "a")], started)


async def says(a: Party, context: ssl.SSLContext | None, frame: wire.Frame | bytes) -> bytes:
    """What node a answers to the first frame of whoever has this context; b"" when it hangs up."""
    name = "a" if context is not None else None
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", a.port, ssl=context, server_hostname=name)
    except OSError:
        return b""
    data = frame if isinstance(frame, bytes) else wire.encode(frame)
    try:
        writer.write(len(data).to_bytes(4, "little") + data)
        answer = await reader.read(100)
    except OSError:
        answer = b""
    writer.transport.abort()
    return answer


def hello(cluster="bank", region="east", node="b", to="a", version=wire.VERSION) -> wire.Hello:
    return wire.Hello(version, cluster, region, node, to)


def test_who_is_right_is_taken():
    async def work(a: Party) -> None:
        answer = await says(a, tls("b").dialing, hello())
        assert wire.decode_to_dialer(answer[4:]) == wire.Welcome(wire.VERSION)
        assert a.transport.traffic.refused == 0

    one_node(work)


def test_another_version_of_the_protocol_is_refused_and_counted():
    async def work(a: Party) -> None:
        assert await says(a, tls("b").dialing, hello(version=wire.VERSION + 1)) == b""
        assert (a.transport.traffic.other_version, a.transport.traffic.refused) == (1, 1)

    one_node(work)


def test_a_greeting_with_more_in_it_than_this_build_knows_is_taken():
    async def work(a: Party) -> None:
        longer = [1, wire.VERSION, "bank", "east", "b", "a", "9.9", {"more": 1}]
        answer = await says(a, tls("b").dialing, wire.msgspec.msgpack.encode(longer))
        assert wire.decode_to_dialer(answer[4:]) == wire.Welcome(wire.VERSION)
        shorter = wire.msgspec.msgpack.encode(longer[:6])
        assert wire.decode_to_dialer((await says(a, tls("b").dialing, shorter))[4:]).version == wire.VERSION

    one_node(work)


@pytest.mark.parametrize(
    ("node", "greeting"),
    [
        ("b", hello(node="c", region="west")),  # another one's name
        ("b", hello(region="west")),
        ("b", hello(cluster="shop")),
        ("b", hello(to="c")),  # it wants somebody else
        ("b", hello(version=wire.VERSION + 1)),
        ("b", wire.Post("note", wire.msgspec.Raw(wire.encode(Note(1))))),  # no greeting
        ("b", b"\xff"),
        ("x", hello(node="x", region="west")),  # of the cluster, but none of its nodes
        ("x", hello()),
    ],
)
def test_who_claims_too_much_is_refused(node, greeting):
    async def work(a: Party) -> None:
        assert await says(a, tls(node).dialing, greeting) == b""
        assert a.heard == []
        assert not any(a.transport._accepted.values())

    one_node(work)


def test_a_certificate_of_another_region_is_refused(tmp_path: Path):
    """Moved to another region, a node needs another certificate."""

    async def work(a: Party) -> None:
        moved = [Address(Identity("bank", "west", "b"), "127.0.0.1", 1)]
        a.transport.connect(moved)
        assert await says(a, tls("b").dialing, hello()) == b""
        assert a.transport.traffic.refused == 1

    one_node(work)


def without_certificate(context: ssl.SSLContext) -> ssl.SSLContext:
    bare = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    bare.check_hostname = False
    bare.load_verify_locations(certificates() / "ca.pem")
    return bare


def another_cluster(context: ssl.SSLContext) -> ssl.SSLContext:
    """Its own authority's node b, that does not care who answers."""
    stranger = tls("b", "shop").dialing
    stranger.verify_mode = ssl.CERT_NONE
    return stranger


def older_version(context: ssl.SSLContext) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context


@pytest.mark.parametrize("make", [without_certificate, another_cluster, older_version, lambda context: None])
def test_who_has_no_certificate_of_the_cluster_is_refused(make):
    async def work(a: Party) -> None:
        answer = await says(a, make(tls("b").dialing), hello())
        assert b"Welcome" not in answer
        assert not any(a.transport._accepted.values())
        assert a.transport.traffic.received == {}

    one_node(work)


def test_an_expired_certificate_is_refused(tmp_path: Path):
    async def work(a: Party) -> None:
        directory = tmp_path / "old"
        (directory / "nodes").mkdir(parents=True)
        for name in ("ca.pem", "ca.key"):
            (directory / name).write_bytes((certificates() / name).read_bytes())
        past = NOW - datetime.timedelta(days=500)
        identity.issue(directory, [Identity("bank", "east", "b")], past)
        assert await says(a, identity.load_issued(directory, "b").dialing, hello()) == b""
        assert a.transport.traffic.received == {}

    one_node(work)


@pytest.mark.parametrize("stranger", [("x", "bank"), ("c", "shop")])
def test_who_dials_looks_at_the_certificate_too(stranger):
    """Somebody else listens at c's address: another node of the cluster, or a node of another cluster."""

    async def work(a: Party) -> None:
        greeted: list[bytes] = []

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            greeted.append(await reader.read(100))
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls(*stranger).accepting)
        async with server:
            port = server.sockets[0].getsockname()[1]
            a.transport.connect([Address(Identity("bank", "west", "c"), "127.0.0.1", port)])
            assert await a.transport._peers["c"]._dial() is None
            a.transport.connect([])
            assert not any(greeted)
            assert (a.transport.traffic.refused > 0) == (stranger == ("x", "bank"))
            assert a.transport.traffic.sent == {}

    one_node(work)


def test_certificates_are_kept_renewed_and_private(tmp_path: Path):
    wanted = [Identity("bank", "east", "a"), Identity("bank", "west", "c")]
    files = ("ca.pem", "nodes/a.pem", "nodes/c.pem")

    def contents() -> list[bytes]:
        return [(tmp_path / name).read_bytes() for name in files]

    identity.issue(tmp_path, wanted, NOW)
    first = contents()
    identity.issue(tmp_path, wanted, NOW)
    assert contents() == first
    assert {path.stat().st_mode & 0o777 for path in tmp_path.rglob("*.*")} == {0o600}
    identity.issue(tmp_path, [wanted[0]._replace(region="west"), wanted[1]], NOW)
    moved = contents()
    assert (moved[0], moved[2]) == (first[0], first[2])
    assert moved[1] != first[1]
    identity.issue(tmp_path, wanted, NOW + datetime.timedelta(days=380))
    later = contents()
    assert later[0] == first[0]
    assert later[2] != first[2]
    (tmp_path / "ca.pem").unlink()
    identity.issue(tmp_path, wanted, NOW)
    assert all(new != old for new, old in zip(contents(), later)), (
        "what another authority signed is worth nothing"
    )


@pytest.mark.parametrize(
    "names",
    [
        (),
        (("DNS", "opendsql://bank/east/a"),),
        (("URI", "opendsql://bank/east"),),
        (("URI", "opendsql://bank/east/a/b"),),
        (("URI", "opendsql://bank/East/a"),),
        (("URI", "opendsql://bank/east/"),),
        (("URI", "https://bank/east/a"),),
        (("URI", "opendsql://bank/east/a"), ("URI", "opendsql://bank/east/b")),
    ],
)
def test_a_certificate_names_exactly_one_node(names):
    assert identity.of_certificate({"subjectAltName": names}) is None


def test_an_identity_is_read_back():
    me = Identity("bank", "us-east-1", "us-east-1-storage-1")
    assert identity.of_certificate({"subjectAltName": (("URI", me.uri), ("DNS", "localhost"))}) == me
    assert identity.of_certificate(None) is None
