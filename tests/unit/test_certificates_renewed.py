"""Renewed certificates are taken into use while everything runs, by new connections, and only when they are whole."""

import asyncio
import datetime
import shutil
import ssl
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from cryptography import x509

from journal.etcd_client import EtcdClient, Lost, Tls
from server.runtime import certificates, tls
from server.runtime.net import identity
from server.runtime.net.faults import Faults
from server.runtime.net.identity import Identity
from server.runtime.net.transport import Address, Transport
from server.runtime.net.wire import Vocabulary
from server.runtime.region.joining import LOOK_S, EtcdTls
from tests.networks import FAST, PATIENT, VOCABULARY
from tests.nodes import Failures
from tests.running_listener import RunningListener

NOW = datetime.datetime.now(datetime.UTC)
NODES = (Identity("bank", "east", "a"), Identity("bank", "west", "c"))
EXPIRING = NOW - datetime.timedelta(days=certificates.ISSUED_DAYS - certificates.RENEW_DAYS / 2)
"""A certificate made then is good for two weeks more."""


def serial(path: Path) -> int:
    return x509.load_pem_x509_certificate(path.read_bytes()).serial_number


def shown_by(port: int, context: ssl.SSLContext) -> int:
    """The serial number of the certificate that a listener shows."""

    async def look() -> int:
        _reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="a")
        der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        writer.transport.abort()
        return x509.load_der_x509_certificate(der).serial_number

    return asyncio.run(look())


# --- between nodes


def test_nodes_show_what_was_renewed_at_their_next_connection(tmp_path):
    identity.issue(tmp_path, NODES, EXPIRING)
    before = [serial(tmp_path / "nodes" / f"{node}.pem") for node in "ac"]

    async def work():
        failures, seen = Failures(), []
        parties = []
        for node in NODES:
            transport = Transport(
                node,
                Vocabulary(VOCABULARY),
                identity.load_issued(tmp_path, node.node),
                faults=Faults(("east", "west")),
                broken=failures,
                settings=replace(FAST, renew_s=0.05),
            )
            parties.append((transport, await transport.start("127.0.0.1", 0)))
        for (transport, _port), other, (_other, port) in zip(parties, reversed(NODES), reversed(parties)):
            transport.connect([Address(other, "127.0.0.1", port)])
        async with asyncio.timeout(PATIENT):
            while not all(transport.traffic.renewed > 1 for transport, _port in parties):
                await asyncio.sleep(0.01)
            identity.issue(tmp_path, NODES, NOW)
            while any(transport.tls.renewed == 0 for transport, _port in parties):
                await asyncio.sleep(0.01)
            renewed = [transport.traffic.renewed for transport, _port in parties]
            while any(
                transport.traffic.renewed <= then + 1 for (transport, _port), then in zip(parties, renewed)
            ):
                await asyncio.sleep(0.01)
        context = identity.load_issued(tmp_path, "c").dialing
        seen = await asyncio.to_thread(shown_by, parties[0][1], context)
        for transport, _port in parties:
            await transport.stop()
        assert failures == []
        return seen

    assert asyncio.run(work()) == serial(tmp_path / "nodes" / "a.pem")
    assert serial(tmp_path / "nodes" / "a.pem") not in before


def test_a_pair_that_does_not_match_is_not_taken(tmp_path):
    identity.issue(tmp_path, NODES, EXPIRING)
    found = identity.load_issued(tmp_path, "a")
    key = tmp_path / "nodes" / "a.key"
    kept = key.read_bytes()
    shutil.copy(tmp_path / "nodes" / "c.key", key)
    found.refresh()
    assert (found.renewed, bool(found.error)) == (0, True)
    key.write_bytes(kept)
    found.refresh()
    assert (found.renewed, found.error) == (1, "")


def test_a_file_that_is_missing_for_a_moment_changes_nothing(tmp_path):
    identity.issue(tmp_path, NODES, EXPIRING)
    found = identity.load_issued(tmp_path, "a")
    path = tmp_path / "nodes" / "a.pem"
    path.rename(tmp_path / "away")
    found.refresh()
    assert (found.renewed, bool(found.error)) == (0, True)
    (tmp_path / "away").rename(path)
    found.refresh()
    assert found.renewed == 0


# --- to etcd's members


def source(tmp_path, clock):
    nodes = tmp_path / "nodes"
    return EtcdTls(tmp_path / "ca.pem", nodes / "a.pem", nodes / "a.key", lambda: clock[0])


def test_what_etcd_is_shown_is_looked_at_now_and_then(tmp_path):
    identity.issue(tmp_path, NODES, EXPIRING)
    clock = [0.0]
    shown = source(tmp_path, clock)
    first = shown()
    identity.issue(tmp_path, NODES, NOW)
    assert shown() is first, "not at every request"
    clock[0] += LOOK_S
    assert shown().certificate == (tmp_path / "nodes" / "a.pem").read_bytes() != first.certificate
    shutil.copy(tmp_path / "nodes" / "c.key", tmp_path / "nodes" / "a.key")
    second = shown()
    clock[0] += LOOK_S
    assert shown() is second, "not a pair"


def test_a_client_of_etcd_connects_anew_with_what_was_renewed():
    made = []

    class Channel:
        def __init__(self, endpoint, shown):
            made.append((endpoint, shown))
            self.is_closed = False

        async def call(self, *_):
            raise Lost("nobody")

        async def close(self, grace_s=None):
            self.is_closed = True

    async def work():
        current = [Tls(b"1")]
        client = EtcdClient(["a:1", "b:1"], lambda: current[0])
        client._connect = Channel
        assert await client.statuses() == [None, None]
        assert made == [], "as long as nothing is renewed"
        current[0] = Tls(b"2")
        assert await client.statuses() == [None, None]
        assert made == [("a:1", current[0]), ("b:1", current[0])]
        await client.close()

    asyncio.run(work())


# --- to clients


def test_a_listener_shows_clients_what_was_renewed(tmp_path):
    renewal = tls.Renewal(tmp_path, [], EXPIRING)
    before = serial(tmp_path / "server.pem")
    with RunningListener(tls=renewal) as server:
        trusting = server.dsn(sslmode="verify-full", sslrootcert=tmp_path / "ca.pem")
        old = psycopg.connect(trusting)
        server.call(server.listener.renew_tls)
        assert serial(tmp_path / "server.pem") != before
        context = ssl.create_default_context(cafile=tmp_path / "ca.pem")
        context.check_hostname = False
        context.set_alpn_protocols([tls.ALPN])
        assert shown_by(server.port, context) == serial(tmp_path / "server.pem")
        assert not old.closed
        old.close()
        psycopg.connect(trusting).close()


def test_only_one_process_makes_it_again_the_others_follow(tmp_path):
    first = tls.Renewal(tmp_path, [], EXPIRING)
    other = tls.Renewal(tmp_path, [], EXPIRING, makes=False)
    assert other.renewed(NOW) is None
    made = first.renewed(NOW)
    assert made is not None
    assert other.renewed(NOW).certificate_hash == made.certificate_hash
    assert (first.renewed(NOW), other.renewed(NOW)) == (None, None)


def test_what_cannot_be_read_leaves_the_listener_as_it_is(tmp_path):
    renewal = tls.Renewal(tmp_path, [], NOW)
    (tmp_path / "server.pem").write_text("nothing")
    assert renewal.renewed(NOW) is None


@pytest.mark.parametrize(
    "days, due", [(certificates.RENEW_DAYS + 1, False), (certificates.RENEW_DAYS - 1, True)]
)
def test_a_certificate_is_made_again_a_month_before_it_ends(tmp_path, days, due):
    tls.open_directory(tmp_path, [], NOW - datetime.timedelta(days=certificates.ISSUED_DAYS - days))
    assert certificates.is_due(tmp_path / "server.pem", NOW) is due
