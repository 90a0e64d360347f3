"""Who a node is, and the certificate that proves it.

    opendsql://CLUSTER/REGION/NODE    in the certificate's subject alternative names, signed by the cluster's authority

Both sides of a connection show one. Host names prove nothing here: a node may be reached under any address, but
only the holder of its key is it.

    DIRECTORY/ca.pem, ca.key             the authority; the key may lie elsewhere once all certificates are made
    DIRECTORY/nodes/NODE.pem, NODE.key   one per node; a node needs its own and ca.pem
    DIRECTORY/etcd/REGION.pem, .key      for etcd's members in a region: those are known by their host names
"""

import datetime
import logging
import re
import ssl
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from server.runtime import certificates

log = logging.getLogger("opendsql.net")

NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
"""Of clusters, regions and nodes: what a label of a host name may be."""
_SCHEME = "opendsql://"
_SIDES = (ssl.PROTOCOL_TLS_SERVER, ssl.PROTOCOL_TLS_CLIENT)


class Identity(NamedTuple):
    """A node of a cluster."""

    cluster: str
    region: str
    node: str

    @property
    def uri(self) -> str:
        """As certificates carry it."""
        return f"{_SCHEME}{self.cluster}/{self.region}/{self.node}"


class NodeTls:
    """A node's two ends: it accepts connections and makes some.

    Raises OSError (ssl.SSLError is one) if a file is missing or not a certificate.
    """

    def __init__(self, authority: Path, certificate: Path, key: Path) -> None:
        self._files = (authority, certificate, key)
        self._stamp = certificates.stamp(self._files)
        self.accepting, self.dialing = (_context(side, *self._files) for side in _SIDES)
        self.renewed = 0
        """How often other files were taken into use."""
        self.error = ""
        """Why those that are there now were not."""

    def refresh(self) -> None:
        """Show what the files hold now, from the next connection on; what is not whole is not taken into use.

        Connections between nodes are made anew every few minutes, and look before: so it needs no operator, and no
        signal that a container would have to pass on.
        """
        try:
            found = certificates.stamp(self._files)
            if found == self._stamp:
                return
            # Tried on contexts of their own: a pair that does not match would spoil those in use.
            for side in _SIDES:
                _context(side, *self._files)
            for context in (self.accepting, self.dialing):
                _fill(context, *self._files)
        except OSError as error:
            if str(error) != self.error:
                log.error("certificates are not renewed files=%s error=%s", self._files[1], error)
            self.error = str(error)
            return
        self._stamp = found
        self.renewed += 1
        self.error = ""
        log.info("certificates renewed file=%s", self._files[1])


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


def _context(side: int, authority: Path, certificate: Path, key: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(side)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.options |= ssl.OP_NO_TICKET
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED
    if side == ssl.PROTOCOL_TLS_SERVER:
        context.num_tickets = 0
    _fill(context, authority, certificate, key)
    return context


def _fill(context: ssl.SSLContext, authority: Path, certificate: Path, key: Path) -> None:
    """Believe that authority too, and show that certificate from now on."""
    context.load_verify_locations(authority)
    context.load_cert_chain(certificate, key)


def load_issued(directory: Path, node: str) -> NodeTls:
    """The contexts of `node` from what `issue` has made. Raises OSError."""
    nodes = directory / "nodes"
    return NodeTls(directory / "ca.pem", nodes / f"{node}.pem", nodes / f"{node}.key")


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
