"""What a session asks of the process that hosts it: the node itself, or a worker before it (DESIGN §11)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from server.catalog import store
from server.catalog.clusters import Here
from server.catalog.descriptor import Catalog, Job, Oid, Statistics
from server.session.transaction import Transaction, Versions
from server.session.work import Wait
from server.sql.limits import Limits
from server.sql.tree import Access
from server.testing.desk import Desk

if TYPE_CHECKING:
    from server.session.preparing import Plans
    from server.session.session import SqlSession

T = TypeVar("T")


class Jobs(Protocol):
    """Asynchronous jobs, as a session sees them."""

    def wait_for(self, cluster: int, job_id: str, is_submitted: bool = False) -> Wait[bool]:
        """Done when the job has ended: True if it completed, False if it failed or is unknown.

        `is_submitted`: whoever asks has just committed it, so it is not unknown.
        """
        ...

    def find(self, cluster: int, job_id: str) -> Job | None: ...

    def jobs(self, cluster: int) -> Iterator[Job]:
        """All jobs of a cluster, oldest first."""
        ...

    def statistics(self, cluster: int) -> Mapping[Oid, Statistics]:
        """What ANALYZE found out about a cluster's tables."""
        ...


class HostVersions(Versions, store.Versions, Protocol):
    """The replica: rows for transactions, and the catalog's rows."""

    horizon: int
    """No read below it."""


class Host(Protocol):
    """`catalog` and then `start_ts`, in one turn of the loop, are of the same moment."""

    default_cluster: int
    limits: Limits
    rebase: bool
    begun: int
    open_transactions: int
    """Sessions count the transactions they begin and those they have open."""
    here: Here
    session_defaults: dict[str, str]
    """What sessions' settings are where it is not DSQL's default."""

    @property
    def desk(self) -> Desk:
        """Conflicts, injections, what runs."""
        ...

    @property
    def versions(self) -> HostVersions:
        """Rows in this process; of the catalog all of them."""
        ...

    @property
    def reads(self) -> Versions:
        """What transactions read: `versions`, or rows in other processes."""
        ...

    @property
    def jobs(self) -> Jobs: ...

    @property
    def sessions(self) -> Mapping[int, Any]:
        """By process id, those of the other processes included."""
        ...

    def catalog(self, cluster: int) -> Catalog:
        """The newest catalog. PgError FATAL 57P01 when the cluster was dropped."""
        ...

    def cluster_named(self, cluster_id: str) -> int:
        """The number of the cluster of that id. PgError FATAL 08006."""
        ...

    def fresh(self) -> Wait[None] | None:
        """None, or what to wait for until all that was acknowledged is seen. Raises PgError 57P03 in a region."""
        ...

    def start_ts(self) -> int:
        """The newest time up to which durable records are applied (DESIGN §4): that of the last `catalog`."""
        ...

    def reached(self, ts: int) -> None:
        """A session comes that was at this time in another process of the host's node."""
        ...

    def plans(self, key: object) -> Plans: ...

    def sleep(self, seconds: float) -> Wait[None]:
        """Done after that time."""
        ...

    def compute(self, step: Callable[[], T]) -> Wait[T]:
        """What `step`, a function that changes nothing, returns or raises; it runs beside the loop."""
        ...

    def submit(self, txn: Transaction, size: int) -> Wait[int]: ...

    def check_privileges(
        self, catalog: Catalog, user: str, needed: tuple[Access, ...], *, then: Catalog | None = None
    ) -> None: ...

    def enter(self, session: SqlSession, process_id: int | None = None) -> int:
        """A session begins, or comes back under its process id, which is returned. Raises PgError FATAL 53300."""
        ...

    def leave(self, session: SqlSession) -> None: ...
