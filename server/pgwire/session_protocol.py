"""What the connection asks of a session, of the node that makes it, and of whoever decides who may enter."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from server.errors import PgError
from server.session.work import Work


class Session(Protocol):
    """One logged-in client's state, driven by the connection, one call at a time.

    Replies are appended, encoded by `server.pgwire.codec`, to the `out` that the session was made with. The
    connection clears `out` in place when it writes, which happens only between calls or while a Work is
    suspended; so a message that the session may want to retract (CommandComplete of an implicit
    transaction whose commit failed) is still unsent exactly if `out` still contains that very object.

    A method that returns None is finished; a Work is driven to its end before the next call. Any of them
    may raise `PgError`, at the call or inside the Work: the connection reports it and calls `failed`.
    """

    status: bytes
    """For ReadyForQuery: b"I" idle, b"T" in a transaction block, b"E" in a failed one."""
    copying: bool
    """True from CopyInResponse until `copy_done`, `copy_fail` or `failed`."""
    process_id: int
    secret: bytes
    """Four bytes; together with `process_id` the right to cancel."""

    def parameters(self) -> Mapping[str, str]:
        """What ParameterStatus reports at start-up, over `startup.FIXED_PARAMETERS`."""
        ...

    def query(self, sql: str) -> Work | None:
        """Run every statement of `sql`; everything but ReadyForQuery. After CopyInResponse it returns with
        `copying` set; `copy_done` or `copy_fail` then also runs the statements that follow."""
        ...

    def parse(self, name: str, sql: str, oids: Sequence[int]) -> Work | None: ...

    def bind(
        self,
        portal: str,
        statement: str,
        formats: Sequence[int],
        values: Sequence[bytes | None],
        result_formats: Sequence[int],
    ) -> Work | None:
        """`formats` has no entry, one for all, or one per value; 0 is text, 1 binary (not checked)."""
        ...

    def describe_statement(self, name: str) -> Work | None: ...

    def describe_portal(self, name: str) -> Work | None: ...

    def execute(self, portal: str, max_rows: int) -> Work | None:
        """`max_rows` 0: all of them (negative limits arrive as 0)."""
        ...

    def close_statement(self, name: str) -> None: ...

    def close_portal(self, name: str) -> None: ...

    def sync(self) -> Work | None:
        """End the implicit transaction; also called after an error, when there is nothing left to commit."""
        ...

    def failed(self, error: PgError) -> None:
        """`error` was reported: abort the transaction, leave COPY. Must not raise PgError."""
        ...

    def copy_data(self, data: bytes) -> Work | None: ...

    def copy_done(self) -> Work | None: ...

    def copy_fail(self, message: str) -> Work | None: ...

    def cancel(self) -> None:
        """Running work raises PgError 57014 at its next slice; without running work nothing happens."""
        ...

    def close(self) -> None:
        """The connection is gone; called once, never while a Work is inside a step."""
        ...


class SessionFactory(Protocol):
    def __call__(self, user: str, database: str, options: dict[str, str], out: list[bytes]) -> Session:
        """Make the session of an authenticated client; PgError (a bad setting) ends the connection.

        `options`: the start-up packet's settings, names in lower case, those of `options=-c` first.
        """
        ...


class Gate(Protocol):
    """Who may enter a cluster, and how they prove it."""

    cluster_id: str | None
    """The cluster that the client has chosen; None: the default one, without a choice."""

    def at(self, server_name: str | None, cluster_id: str | None) -> "Gate":
        """That of the cluster which the client names: by the host name it connects to (TLS's SNI), by the start-up
        option `amzn-cluster-id`, or not at all. Raises PgError FATAL 08006 when there is none, or they differ."""
        ...

    def method(self, user: str, database: str, is_tls: bool) -> str:
        """ "trust", "scram" or "token"; raises PgError FATAL 28000 where this client may not even try."""
        ...

    def verifier(self, user: str) -> str | None:
        """`SCRAM-SHA-256$iterations:salt$stored:server`, or None: unknown, or no password."""
        ...

    def check_token(self, user: str, token: str) -> None:
        """The answer to a request for a cleartext password: raises PgError FATAL 08006 (server.pgwire.sigv4)."""
        ...

    def check_role(self, user: str, database: str, options: Mapping[str, str]) -> None:
        """After authentication: raises PgError FATAL 28000 (role) or 3D000 (database)."""
        ...
