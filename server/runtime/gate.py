"""Who may connect, and how they prove it (DESIGN §12, dsql-reference §7)."""

from collections.abc import Callable, Mapping

from server.catalog.descriptor import Catalog
from server.errors import PgError

DATABASE = "postgres"


class CatalogGate:
    """Roles come from the catalog of the default cluster; `mode` is trust or password."""

    def __init__(self, mode: str, catalog: Callable[[], Catalog], admin_verifier: str | None = None) -> None:
        self._mode = mode
        self._catalog = catalog
        self._admin_verifier = admin_verifier

    def method(self, user: str, database: str, is_tls: bool) -> str:
        """How this client proves who it is."""
        return "scram" if self._mode == "password" else "trust"

    def verifier(self, user: str) -> str | None:
        """The SCRAM verifier of a role; None: unknown, or without a password."""
        if user == "admin" and self._admin_verifier is not None:
            return self._admin_verifier
        catalog = self._catalog()
        oid = catalog.role_names.get(user)
        return catalog.roles[oid].verifier if oid is not None else None

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
