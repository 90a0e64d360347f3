"""What `opendsql inject` asks of a node, by its control socket: the same as CALL opendsql.inject (docs/testing.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import msgspec

from server.testing.injections import Injection

if TYPE_CHECKING:
    from server.runtime.desk import NodeDesk
    from server.testing.conflicts import Lost


class Inject(msgspec.Struct, tag="inject", forbid_unknown_fields=True):
    """A new injection, as `server.testing.injections.Injection` has it."""

    kind: str
    nth: int = 1
    times: int | None = 1
    probability: float | None = None
    seed: int | None = None
    pid: int | None = None
    role: str | None = None
    table: str | None = None
    ms: float = 0.0
    jitter_ms: float = 0.0
    cluster: str | None = None
    """The id of the cluster that it is about; None: the default one. So in the others."""


class RemoveInjections(msgspec.Struct, tag="remove_injections", forbid_unknown_fields=True):
    """Remove one, or all (None)."""

    id: int | None = None
    cluster: str | None = None


class ListInjections(msgspec.Struct, tag="injections", forbid_unknown_fields=True):
    """All of them, with how often each matched and fired."""

    cluster: str | None = None


class ListConflicts(msgspec.Struct, tag="conflicts", forbid_unknown_fields=True):
    """The last commits that lost, as the view opendsql.conflicts; times are nanoseconds since 1970."""

    cluster: str | None = None


InjectionRequest: TypeAlias = Inject | RemoveInjections | ListInjections | ListConflicts


class Node(Protocol):
    """The node that is asked."""

    default_cluster: int

    @property
    def node_desk(self) -> NodeDesk: ...

    def cluster_named(self, cluster_id: str) -> int: ...


def answer(node: Node, request: InjectionRequest) -> list[Any]:
    """The lines of the answer. Raises PgError."""
    desk = node.node_desk
    cluster = node.default_cluster if request.cluster is None else node.cluster_named(request.cluster)
    if isinstance(request, Inject):
        fields = msgspec.structs.asdict(request)
        fields["process_id"] = fields.pop("pid")
        return [{"id": desk.inject(Injection(**(fields | {"cluster": cluster})))}]
    if isinstance(request, RemoveInjections):
        return [{"removed": desk.remove(cluster, request.id)}]
    if isinstance(request, ListConflicts):
        return [_shown_conflict(each) for each in desk.conflicts.losses(cluster)]
    return [_shown(each) for each in desk.injections(cluster)]


def _shown_conflict(lost: Lost) -> dict[str, Any]:
    return {
        "conflicted_at": lost.at,
        "error": lost.code,
        "schema_name": lost.place.schema,
        "table_name": lost.place.table,
        "index_name": lost.place.index,
        "key": lost.place.key,
        "pid": lost.process_id,
        "usename": lost.user,
        "application_name": lost.application,
        "start_ts": lost.start_ts,
        "transaction_id": lost.transaction,
        "winner_transaction_id": lost.winner,
        "winner_commit_ts": lost.won_at,
        "injection_id": lost.injection,
    }


def _shown(injection: Injection) -> dict[str, Any]:
    fields = msgspec.structs.asdict(injection)
    del fields["cluster"]
    fields["pid"] = fields.pop("process_id")
    return {"id": fields.pop("id")} | fields
