"""Functions, operators, aggregates and window functions as data, and the tables that hold them (DESIGN §5).

A module `fn_*` puts its entries here when it is imported; `server.sql.builtins` imports them all. The facts
(oid, names, types, volatility) are those of pg_proc, pg_operator and pg_aggregate.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from server.sql.types import BY_NAME as TYPE_BY_NAME
from server.sql.types import Type


@dataclass(frozen=True, slots=True, eq=False)
class Function:
    """One row of pg_proc with its implementation (PostgreSQL, chapter 53.39)."""

    oid: int
    name: str
    args: tuple[Type, ...]
    result: Type
    impl: Callable[..., Any]
    """(argument values...), or (env, argument values...) with `needs_env`; NULL is None."""
    strict: bool = True
    """NULL for any NULL argument; `impl` is not called then."""
    volatility: str = "i"
    """i immutable, s stable, v volatile."""
    variadic: bool = False
    """The last argument is an array type (or "any") that collects the rest.

    For VARIADIC "any" `impl` gets the values themselves and, with `needs_types`, their types."""
    needs_env: bool = False
    needs_context: bool = False
    """`impl`'s first argument is the Context, not its environment: a call may take long, and gives turns."""
    needs_types: bool = False
    """`impl`'s first argument (after env) is the tuple of the actual argument types."""
    returns_set: bool = False
    """`impl` returns an iterable of values, or of tuples for several `out_columns`."""
    out_columns: tuple[tuple[str, Type], ...] = ()
    default_values: tuple[object, ...] = ()
    """Values of the trailing arguments that may be left out."""
    arg_names: tuple[str, ...] = ()
    source: str | None = None
    """A Python expression over {0}, {1}: exactly `impl` for arguments that are not NULL."""
    sleeps: bool = False
    """`impl` returns seconds to wait instead of a value; the caller waits without blocking the loop."""

    schema: str = "pg_catalog"
    settles: bool = False
    """A statement that calls it begins once everything that was decided before is visible."""

    @property
    def defaults(self) -> int:
        """Number of trailing arguments with defaults."""
        return len(self.default_values)

    @property
    def lead(self) -> list[str]:
        """What generated code passes before the arguments: its Context `c`, or the environment `e` of that."""
        return ["c"] if self.needs_context else ["e"] if self.needs_env else []

    def __repr__(self) -> str:
        return f"<Function {self.name}({', '.join(t.name for t in self.args)})>"


@dataclass(frozen=True, slots=True, eq=False)
class Operator:
    """One row of pg_operator; commutator and negator are operators' names."""

    oid: int
    name: str
    left: Type | None
    right: Type
    result: Type
    function: Function
    commutator: str | None = None
    negator: str | None = None

    def __repr__(self) -> str:
        return f"<Operator {self.left.name if self.left else ''} {self.name} {self.right.name}>"


@dataclass(frozen=True, slots=True, eq=False)
class Aggregate:
    """One row of pg_aggregate: state in, state out; a fresh state per group."""

    oid: int
    name: str
    args: tuple[Type, ...]
    result: Type
    init: Callable[[], Any]
    step: Callable[..., Any]
    """(state, argument values...) -> state; with `needs_env` (state, env, argument values...)."""
    final: Callable[[Any, Any], Any]
    """(state, env) -> value; for ordered-set aggregates (state, env, direct argument values...)."""
    strict_step: bool = True
    """Rows with a NULL argument are skipped."""
    kind: str = "n"
    """n normal, o ordered-set, h hypothetical-set."""
    variadic: bool = False
    direct_args: int = 0
    """How many of `args` are direct arguments of an ordered-set aggregate."""
    needs_env: bool = False
    needs_types: bool = False
    """`init` takes the tuple of the actual argument types."""
    fast: str | None = None
    """count, sum, avg, min, max: the executor may run Python's own +, < and > over values that are not NULL.

    The state is a count, None or the sum, [count, sum], None or the extreme; `final` still comes last."""

    def __repr__(self) -> str:
        return f"<Aggregate {self.name}({', '.join(t.name for t in self.args)})>"


class WindowPartition(Protocol):
    """What a window function sees: the rows of one partition in window order, by index from 0."""

    size: int

    def args(self, i: int) -> tuple[Any, ...]:
        """The argument values of row `i`."""

    def peer_start(self, i: int) -> int:
        """First row that is equal to row `i` in the window's ORDER BY."""

    def peer_end(self, i: int) -> int:
        """One past the last such row."""

    def frame(self, i: int) -> Sequence[int]:
        """Row `i`'s frame after exclusion: a range, or a list of indices."""


@dataclass(frozen=True, slots=True, eq=False)
class WindowFunction:
    """A pure window function; aggregates can be used over windows as well."""

    oid: int
    name: str
    args: tuple[Type, ...]
    result: Type
    impl: Callable[[WindowPartition], list[Any]]
    """One result per row of the partition."""
    default_values: tuple[object, ...] = ()
    variadic: bool = False


FUNCTIONS: dict[str, list[Function]] = {}
FUNCTION_BY_OID: dict[int, Function] = {}
AGGREGATES: dict[str, list[Aggregate]] = {}
AGGREGATE_BY_OID: dict[int, Aggregate] = {}
WINDOW_FUNCTIONS: dict[str, list[WindowFunction]] = {}
WINDOW_FUNCTION_BY_OID: dict[int, WindowFunction] = {}
REFUSED_FUNCTIONS = frozenset(
    f"pg_{kind}"
    for kind in (
        *("advisory_lock", "advisory_lock_shared", "try_advisory_lock", "try_advisory_lock_shared"),
        *("advisory_xact_lock", "advisory_xact_lock_shared"),
        *("try_advisory_xact_lock", "try_advisory_xact_lock_shared"),
        *("advisory_unlock", "advisory_unlock_shared", "advisory_unlock_all"),
    )
)
"""PostgreSQL's functions that DSQL names when it refuses them (dsql-reference §3)."""
OPERATORS: dict[str, list[Operator]] = {}
OPERATOR_BY_OID: dict[int, Operator] = {}


def register(entry: Function) -> Function:
    """Put a function into the tables; it replaces an earlier one of the same name and arguments."""
    found = FUNCTIONS.setdefault(entry.name, [])
    found[:] = [other for other in found if other.args != entry.args]
    found.append(entry)
    FUNCTION_BY_OID[entry.oid] = entry
    return entry


def register_operator(entry: Operator) -> Operator:
    """Put an operator into the tables."""
    OPERATORS.setdefault(entry.name, []).append(entry)
    OPERATOR_BY_OID[entry.oid] = entry
    return entry


def register_aggregate(entry: Aggregate) -> Aggregate:
    """Put an aggregate into the tables."""
    AGGREGATES.setdefault(entry.name, []).append(entry)
    AGGREGATE_BY_OID[entry.oid] = entry
    return entry


def register_window(entry: WindowFunction) -> WindowFunction:
    """Put a window function into the tables."""
    WINDOW_FUNCTIONS.setdefault(entry.name, []).append(entry)
    WINDOW_FUNCTION_BY_OID[entry.oid] = entry
    return entry


Impl = TypeVar("Impl", bound=Callable[..., Any])


def type_list(text: str) -> tuple[Type, ...]:
    """Types from their pg_type names, separated by commas."""
    return tuple(TYPE_BY_NAME[name] for name in text.split(",") if name)


@dataclass(frozen=True, slots=True)
class Signature:
    """A line `oid name(arg,arg) result [flags]`.

    An argument is `type` or `name:type`. Flags: s or v (volatility), called (not strict), set, variadic.
    """

    oid: int
    name: str
    args: tuple[Type, ...]
    arg_names: tuple[str, ...]
    result: Type
    flags: frozenset[str]

    @property
    def volatility(self) -> str:
        """i, s or v."""
        return next((flag for flag in "sv" if flag in self.flags), "i")


def parse_signature(text: str) -> Signature:
    """Read one line of facts."""
    oid, rest = text.split(" ", 1)
    name, rest = rest.split("(", 1)
    args, rest = rest.split(")", 1)
    result, *flags = rest.split()
    pairs = [arg.rpartition(":") for arg in args.split(",") if arg]
    names = tuple(pair[0] for pair in pairs) if any(pair[0] for pair in pairs) else ()
    return Signature(
        int(oid),
        name,
        tuple(TYPE_BY_NAME[pair[2]] for pair in pairs),
        names,
        TYPE_BY_NAME[result],
        frozenset(flags),
    )


def define(
    signatures: str,
    impl: Callable[..., Any],
    *,
    env: bool = False,
    context: bool = False,
    types: bool = False,
    source: str | None = None,
    out: str = "",
    defaults: Sequence[object] = (),
    sleeps: bool = False,
    schema: str = "pg_catalog",
    settles: bool = False,
) -> list[Function]:
    """Register one function per line of `signatures` (see Signature).

    `out` lists the columns of a set of rows as `name type, name type`.
    """
    made = []
    columns = tuple((c.split()[0], TYPE_BY_NAME[c.split()[1]]) for c in out.split(",") if c)
    for line in _lines(signatures):
        facts = parse_signature(line)
        entry = Function(
            facts.oid,
            facts.name,
            facts.args,
            facts.result,
            impl,
            "called" not in facts.flags,
            facts.volatility,
            variadic="variadic" in facts.flags,
            needs_env=env,
            needs_context=context,
            needs_types=types,
            returns_set="set" in facts.flags,
            out_columns=columns,
            default_values=tuple(defaults),
            arg_names=facts.arg_names,
            source=source,
            sleeps=sleeps,
            schema=schema,
            settles=settles,
        )
        made.append(register(entry))
    return made


def _lines(text: str) -> Iterable[str]:
    return (line.strip() for line in text.strip().splitlines() if line.strip())


def sql(signatures: str, **options: Any) -> Callable[[Impl], Impl]:
    """Decorator form of `define`."""

    def decorate(impl: Impl) -> Impl:
        define(signatures, impl, **options)
        return impl

    return decorate
