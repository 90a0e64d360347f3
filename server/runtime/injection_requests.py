"""What `opendsql inject` asks of a node, by its control socket: the same as CALL opendsql.inject (docs/testing.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from server.testing.injections import Injection

if TYPE_CHECKING:
    from server.runtime.desk import NodeDesk


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


class RemoveInjections(msgspec.Struct, tag="remove_injections", forbid_unknown_fields=True):
    """Remove one, or all (None)."""

    id: int | None = None


class ListInjections(msgspec.Struct, tag="injections", forbid_unknown_fields=True):
    """All of them, with how often each matched and fired."""


InjectionRequest: TypeAlias = Inject | RemoveInjections | ListInjections
REQUESTS = (Inject, RemoveInjections, ListInjections)


def answer(desk: NodeDesk, cluster: int, request: InjectionRequest) -> list[Any]:
    """The lines of the answer. Raises PgError."""
    if isinstance(request, Inject):
        fields = msgspec.structs.asdict(request)
        fields["process_id"] = fields.pop("pid")
        return [{"id": desk.inject(Injection(cluster=cluster, **fields))}]
    if isinstance(request, RemoveInjections):
        return [{"removed": desk.remove(cluster, request.id)}]
    return [_shown(each) for each in desk.injections(cluster)]


def _shown(injection: Injection) -> dict[str, Any]:
    fields = msgspec.structs.asdict(injection)
    del fields["cluster"]
    fields["pid"] = fields.pop("process_id")
    return {"id": fields.pop("id")} | fields
