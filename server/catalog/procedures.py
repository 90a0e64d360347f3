"""What CALL can run, as data: DSQL's one procedure (dsql-reference §6, §8.1), and ours of schema opendsql.

They are rows of pg_proc with prokind p. Whose oid DSQL's has is not known; the result is what CALL answers with.
"""

from dataclasses import dataclass

from server.sql import types
from server.sql.types import Type


@dataclass(frozen=True, slots=True)
class Procedure:
    """A procedure; everybody may call it unless it is the admin's alone."""

    oid: int
    schema: str
    name: str
    args: tuple[Type, ...]
    result: tuple[str, Type]
    """The one column of the one row that CALL returns."""
    arg_names: tuple[str, ...] = ()
    needed: int = 0
    """How many arguments have no default."""
    admin_only: bool = False

    @property
    def parameters(self) -> dict[str, Type]:
        """Names and types in order."""
        return dict(zip(self.arg_names, self.args))


WAIT_FOR_JOB = Procedure(13912, "sys", "wait_for_job", (types.TEXT,), ("wait_for_job", types.BOOL), (), 1)


def _ours(oid: int, name: str, needed: int, result: tuple[str, Type], **parameters: Type) -> Procedure:
    return Procedure(
        oid, "opendsql", name, tuple(parameters.values()), result, tuple(parameters), needed, admin_only=True
    )


INJECT = _ours(
    13810,
    "inject",
    1,
    ("id", types.INT8),
    kind=types.TEXT,
    nth=types.INT8,
    times=types.INT8,
    probability=types.FLOAT8,
    seed=types.INT8,
    pid=types.INT4,
    role=types.TEXT,
    table_name=types.TEXT,
    ms=types.FLOAT8,
    jitter_ms=types.FLOAT8,
)
OURS = {
    each.name: each
    for each in (
        INJECT,
        _ours(13811, "remove_injection", 1, ("removed", types.BOOL), id=types.INT8),
        _ours(13812, "new_cluster", 0, ("cluster_id", types.TEXT)),
        _ours(13813, "drop_cluster", 1, ("dropped", types.BOOL), cluster_id=types.TEXT),
        _ours(13814, "remove_injections", 0, ("removed", types.INT8)),
    )
}
"""The procedures of schema opendsql."""
BY_OID = {each.oid: each for each in (WAIT_FOR_JOB, *OURS.values())}
DEFAULTS = {"nth": 1, "times": 1, "ms": 0.0, "jitter_ms": 0.0}
"""Of parameters of `inject`, where it is not NULL."""


def shown_arguments(procedure: Procedure, defaults: bool) -> str:
    """As in CREATE PROCEDURE: with modes, which PostgreSQL leaves out for functions alone."""
    shown = []
    names = procedure.arg_names or ("",) * len(procedure.args)
    for place, (name, kind) in enumerate(zip(names, procedure.args)):
        words = ["IN", *([name] if name else []), kind.display]
        if defaults and place >= procedure.needed:
            words.append(f"DEFAULT {DEFAULTS.get(name, f'NULL::{kind.display}')}")
        shown.append(" ".join(words))
    return ", ".join(shown)
