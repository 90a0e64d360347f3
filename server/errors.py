"""Errors that a client sees: SQLSTATE and the text that DSQL or PostgreSQL gives (PostgreSQL, appendix A)."""

from collections.abc import Mapping


class PgError(Exception):
    """An error with a SQLSTATE: the client's fault, a conflict, or a state of the world that the client must know.

    `position` is 1-based, in characters of the statement's text; 0: it points nowhere; None: nobody has said yet where.
    `severity` is ERROR, or FATAL when the connection ends with it.
    """

    def __init__(
        self,
        sqlstate: str,
        message: str,
        *,
        detail: str | None = None,
        hint: str | None = None,
        position: int | None = None,
        severity: str = "ERROR",
        fields: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.sqlstate = sqlstate
        self.message = message
        self.detail = detail
        self.hint = hint
        self.position = position
        self.severity = severity
        self.fields = dict(fields or {})
        """Further protocol fields by their letter: s schema, t table, c column, d datatype, n constraint, R routine."""


class ConnectionDropped(PgError):
    """The connection ends at once and without a word, as when the network or the server fails."""

    def __init__(self) -> None:
        super().__init__("08006", "connection dropped", severity="FATAL")


def too_many_connections() -> PgError:
    """As many sessions as the cluster may have (dsql-reference §4)."""
    text = "Unable to accept connection, too many open connections."
    return PgError("53300", text, severity="FATAL")


def connection_rate() -> PgError:
    """Connections come faster than the cluster takes them (dsql-reference §4)."""
    return PgError("53400", "Unable to accept connection, rate exceeded.", severity="FATAL")


def waking_up() -> PgError:
    """The cluster was inactive (dsql-reference §7); SQLSTATE as of the other refusals that begin so."""
    text = "unable to accept connection, waking up cluster, please retry later"
    return PgError("08006", text, severity="FATAL")


def conflict() -> PgError:
    """Another transaction committed a conflicting change first (dsql-reference §5.1)."""
    return PgError("40001", "change conflicts with another transaction (OC000)")


def schema_changed() -> PgError:
    """The catalog that the transaction used is no longer the one in force (dsql-reference §5.3)."""
    return PgError("40001", "schema has been updated by another transaction (OC001)")
