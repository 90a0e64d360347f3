"""Who may connect, and how they prove it (DESIGN §12, dsql-reference §7)."""

from __future__ import annotations

import copy
import datetime
from collections.abc import Callable, Collection, Mapping
from functools import partial

from server.catalog import clusters
from server.catalog.descriptor import Catalog
from server.errors import PgError
from server.pgwire import sigv4
from server.pgwire.sigv4 import SERVICE, Trust

DATABASE = "postgres"
METHODS = {"trust": "trust", "password": "scram", "iam": "token"}
"""What is asked of a client in each mode of `--auth`."""
_NOBODY = Trust("", (), ())


def utc_now() -> datetime.datetime:
    """The wall clock: tokens are dated by it."""
    return datetime.datetime.now(datetime.UTC)


def _has_no_others(cluster_id: str) -> Catalog:
    raise clusters.unknown(cluster_id)


def _trust_of(trust: Trust, cluster_id: str) -> Trust:
    """The tokens for one of a server's clusters: for its own host names, and for those that are no cluster's."""
    own = [f"{cluster_id}.{SERVICE}.{trust.region}.on.aws"]
    for name in trust.hosts:
        if name.startswith("*."):
            own.append(cluster_id + name[1:])
        elif clusters.named_by_host(name) in (None, cluster_id):
            own.append(name)
    return Trust(trust.region, tuple(own), trust.keys)


class CatalogGate:
    """Roles come from the catalog of the cluster; `mode` is trust, password or iam.

    `trust`: the tokens that are accepted; None: no one's. `now` is the clock by which they expire. `named` gives the
    catalog of the cluster of an id; `aliases` are host names that mean the default cluster, whatever they look like.
    """

    cluster_id: str | None = None

    def __init__(
        self,
        mode: str,
        catalog: Callable[[], Catalog],
        admin_verifier: str | None = None,
        trust: Trust | None = None,
        now: Callable[[], datetime.datetime] = utc_now,
        named: Callable[[str], Catalog] = _has_no_others,
        aliases: Collection[str] = (),
    ) -> None:
        self._method = METHODS[mode]
        self._catalog = catalog
        self._admin_verifier = admin_verifier
        self._trust = trust or _NOBODY
        self._now = now
        self._named = named
        self._aliases = frozenset(name.lower() for name in aliases)

    def at(self, server_name: str | None, cluster_id: str | None) -> CatalogGate:
        """The gate of the cluster that a client names, by its host name or the start-up option."""
        by_host = None
        if server_name is not None and server_name.lower() not in self._aliases:
            by_host = clusters.named_by_host(server_name)
        chosen = by_host if cluster_id is None else cluster_id.lower()
        if chosen is None:
            return self
        if by_host not in (None, chosen):
            raise clusters.unknown(chosen)
        self._named(chosen)
        found = copy.copy(self)
        found.cluster_id = chosen
        found._catalog = partial(self._named, chosen)
        found._trust = _trust_of(self._trust, chosen)
        return found

    def method(self, user: str, database: str, is_tls: bool) -> str:
        """How this client proves who it is. A token does not cross a wire that others can read."""
        if self._method == "token" and not is_tls:
            raise PgError("28000", "tokens are accepted over TLS only", severity="FATAL")
        return self._method

    def verifier(self, user: str) -> str | None:
        """The SCRAM verifier of a role; None: unknown, or without a password."""
        if user == "admin" and self._admin_verifier is not None:
            return self._admin_verifier
        catalog = self._catalog()
        oid = catalog.role_names.get(user)
        return catalog.roles[oid].verifier if oid is not None else None

    def check_token(self, user: str, token: str) -> None:
        """A genuine token of a principal who may act as this role: anyone who may do DbConnectAdmin as admin, whom
        AWS IAM GRANT names as another. A role that does not exist is one that nobody is mapped to."""
        principal = sigv4.verify(token, user, self._trust, self._now())
        if user == "admin":
            return
        catalog = self._catalog()
        oid = catalog.role_names.get(user)
        if oid is None or all(mapping.arn != principal for mapping in catalog.roles[oid].iam):
            raise sigv4.access_denied()

    def check_role(self, user: str, database: str, options: Mapping[str, str]) -> None:
        """After authentication; raises PgError FATAL 28000 or 3D000."""
        catalog = self._catalog()
        oid = catalog.role_names.get(user)
        if oid is None:
            raise PgError("28000", f'role "{user}" does not exist', severity="FATAL")
        if not catalog.roles[oid].login:
            raise PgError("28000", f'role "{user}" is not permitted to log in', severity="FATAL")
        if database != DATABASE:
            raise PgError("3D000", f'database "{database}" does not exist', severity="FATAL")
