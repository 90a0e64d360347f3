"""Who a node is, and the certificate that proves it.

    opendsql://CLUSTER/REGION/NODE    in the certificate's subject alternative names, signed by the cluster's authority

Both sides of a connection show one. Host names prove nothing here: a node may be reached under any address, but
only the holder of its key is it.

    DIRECTORY/ca.pem, ca.key             the authority; the key may lie elsewhere once all certificates are made
    DIRECTORY/nodes/NODE.pem, NODE.key   one per node; a node needs its own and ca.pem
    DIRECTORY/etcd/REGION.pem, .key      for etcd's members in a region: those are known by their host names
"""

import datetime
import re
import ssl
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from server.runtime import certificates

NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
"""Of clusters, regions and nodes: what a label of a host name may be."""
_SCHEME = "opendsql://"


class Identity(NamedTuple):
    """A node of a cluster."""

    cluster: str
    region: str
    node: str

    @property
    def uri(self) -> str:
        """As certificates carry it."""
        return f"{_SCHEME}{self.cluster}/{self.region}/{self.node}"


@dataclass(frozen=True, slots=True)
class NodeTls:
    """A node's two ends: it accepts connections and makes some."""

    accepting: ssl.SSLContext
    dialing: ssl.SSLContext


def issue(directory: Path, identities: Iterable[Identity], now: datetime.datetime) -> None:
    """Make the cluster's authority and the nodes' certificates, or renew those that need it.

    Raises OSError if the directory cannot be written, ValueError if a file in it is not what it should be.
    """
    authority = None
    for identity in identities:
        if authority is None:
            authority = certificates.open_authority(directory, f"OpenDSQL cluster {identity.cluster}", now)
        subject = certificates.Subject(
            identity.node, (identity.uri,), (certificates.SERVER, certificates.CLIENT)
        )
        certificates.open_issued(directory / "nodes", identity.node, subject, authority, now)


def issue_members(
    directory: Path, cluster: str, hosts: Mapping[str, Sequence[str]], now: datetime.datetime
) -> None:
    """Make or renew the certificates of etcd's members, by region, for the hosts by which they are reached.

    Raises as `issue` does.
    """
    authority = certificates.open_authority(directory, f"OpenDSQL cluster {cluster}", now)
    for region, names in hosts.items():
        subject = certificates.Subject(
            f"etcd {region}", tuple(names), (certificates.SERVER, certificates.CLIENT)
        )
        certificates.open_issued(directory / "etcd", region, subject, authority, now)


def load(authority: Path, certificate: Path, key: Path) -> NodeTls:
    """The contexts of a node. Raises OSError (ssl.SSLError is one) if a file is missing or not a certificate."""
    contexts = []
    for side in (ssl.PROTOCOL_TLS_SERVER, ssl.PROTOCOL_TLS_CLIENT):
        context = ssl.SSLContext(side)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.options |= ssl.OP_NO_TICKET
        context.check_hostname = False
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(authority)
        context.load_cert_chain(certificate, key)
        contexts.append(context)
    contexts[0].num_tickets = 0
    return NodeTls(*contexts)


def load_issued(directory: Path, node: str) -> NodeTls:
    """The contexts of `node` from what `issue` has made. Raises OSError."""
    nodes = directory / "nodes"
    return load(directory / "ca.pem", nodes / f"{node}.pem", nodes / f"{node}.key")


def of_certificate(certificate: Mapping[str, Any] | None) -> Identity | None:
    """Whom a verified certificate (as `ssl` shows it) names; None unless it names exactly one node."""
    names = (certificate or {}).get("subjectAltName", ())
    found = [value for kind, value in names if kind == "URI" and value.startswith(_SCHEME)]
    if len(found) != 1:
        return None
    parts = found[0].removeprefix(_SCHEME).split("/")
    if len(parts) != 3 or not all(map(NAME.fullmatch, parts)):
        return None
    return Identity(*parts)
