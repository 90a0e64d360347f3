"""Which function or operator a name and argument types mean (chapter 10; parse_func.c)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import server.sql.builtins  # noqa: F401  (fills the tables)
from server.errors import PgError
from server.sql import lacking, polymorphic, refusals
from server.sql.casts import find_cast
from server.sql.functions import (
    AGGREGATES,
    FUNCTIONS,
    OPERATORS,
    REFUSED_FUNCTIONS,
    WINDOW_FUNCTIONS,
    Aggregate,
    Function,
    Operator,
    WindowFunction,
)
from server.sql.polymorphic import POLYMORPHIC
from server.sql.types import ANY, BY_NAME, RECORD, TEXT, UNKNOWN, Type, is_row

Entry: TypeAlias = Function | Aggregate | WindowFunction
_GEOMETRIC = frozenset({"point", "line", "lseg", "box", "path", "polygon", "circle"})
"""Functions that make values of types that DSQL has nowhere (dsql-reference §3)."""
_CASTS = "You might need to add explicit type casts."
_CAST_ONE = "You might need to add an explicit type cast."


@dataclass(frozen=True, slots=True)
class Match:
    """The function that a call means.

    `arg_types` has one type per argument that is passed, after polymorphism and variadic expansion, in the
    entry's order. `positions` says per passed argument which argument of the call it is; None: the next of
    `defaults`. `collected`: so many trailing arguments form the array of a variadic parameter (0: none, or
    VARIADIC "any", whose implementations take any number).
    `kind` coercion: the call is a cast to `result`.
    """

    kind: str
    entry: Entry | None
    arg_types: tuple[Type, ...]
    result: Type
    positions: tuple[int | None, ...]
    defaults: tuple[object, ...] = ()
    collected: int = 0


@dataclass(frozen=True, slots=True)
class _Candidate:
    entry: Function | Aggregate | WindowFunction | Operator
    types: tuple[Type, ...]
    """Declared types in the order of the call's arguments."""
    positions: tuple[int | None, ...] = ()
    expanded: int = 0
    defaulted: int = 0


def can_coerce(source: Type, target: Type, context: str = "i") -> bool:
    """Is there a coercion in this context: i implicit, a assignment, e explicit (can_coerce_type)."""
    if source is target or target is ANY or source is UNKNOWN:
        return True
    if target in POLYMORPHIC:
        return "array" not in target.name or "nonarray" in target.name or source.element is not None
    if find_cast(source, target, context) is not None:
        return True
    if source.element is not None and target.element is not None and target.name[0] == "_":
        return can_coerce(source.element, target.element, context)
    return source is not target and RECORD in (source, target) and is_row(source) and is_row(target)


def can_coerce_all(actual: Sequence[Type], declared: Sequence[Type]) -> bool:
    """Implicit coercion of every argument, polymorphic ones together."""
    for source, target in zip(actual, declared):
        if source is not target and not can_coerce(source, target, "i"):
            return False
    if POLYMORPHIC.isdisjoint(declared):
        return True
    return polymorphic.consistent(declared, actual, common_or_none)


# --- common type (10.5) ------------------------------------------------------------------------------


def select_common_type(types: Sequence[Type], context: str, positions: Sequence[int] = ()) -> Type:
    """The type of CASE, COALESCE, UNION ...; 42804 `CASE types text and integer cannot be matched`.

    `positions` (0-based, -1 unknown) gives the error its place.
    """
    chosen, clash = _common_type(types)
    if clash is not None:
        place = positions[clash] + 1 if positions and positions[clash] >= 0 else None
        message = f"{context} types {chosen.display} and {types[clash].display} cannot be matched"
        raise PgError("42804", message, position=place)
    return chosen


def _common_type(types: Sequence[Type]) -> tuple[Type, int | None]:
    """The type chosen, or the one chosen so far and the index of the type that clashes with it."""
    chosen = types[0]
    for index, candidate in enumerate(types):
        if candidate is UNKNOWN or candidate is chosen:
            continue
        if chosen is UNKNOWN:
            chosen = candidate
        elif candidate.category != chosen.category:
            return chosen, index
        elif not chosen.preferred and can_coerce(chosen, candidate) and not can_coerce(candidate, chosen):
            chosen = candidate
    return (TEXT if chosen is UNKNOWN else chosen), None


def common_or_none(types: Sequence[Type]) -> Type | None:
    """The common type to which all can be coerced, or None."""
    chosen, clash = _common_type(types)
    if clash is not None or not all(can_coerce(source, chosen) for source in types):
        return None
    return chosen


# --- choosing among candidates (10.2, 10.3) ----------------------------------------------------------------


def _best(candidates: list[_Candidate], actual: Sequence[Type], preferred: bool) -> list[_Candidate]:
    """Those with the most exact (or, then, exact or preferred) matches at typed arguments."""

    def score(candidate: _Candidate) -> int:
        return sum(
            given is not UNKNOWN
            and (given is wanted or (preferred and wanted.preferred and wanted.category == given.category))
            for given, wanted in zip(actual, candidate.types)
        )

    scores = [score(candidate) for candidate in candidates]
    top = max(scores)
    return [candidate for candidate, points in zip(candidates, scores) if points == top]


def _by_category(candidates: list[_Candidate], actual: Sequence[Type]) -> list[_Candidate]:
    """Rules 4.e: untyped arguments take string, or the category on which all agree, preferred types first."""
    slots: list[tuple[int, str, bool]] = []
    for index, given in enumerate(actual):
        if given is not UNKNOWN:
            continue
        wanted = [candidate.types[index] for candidate in candidates]
        categories = {one.category for one in wanted}
        if "S" in categories:
            category = "S"
        elif len(categories) == 1:
            category = categories.pop()
        else:
            return candidates
        slots.append((index, category, any(one.preferred for one in wanted if one.category == category)))
    kept = [
        candidate
        for candidate in candidates
        if all(
            candidate.types[index].category == category
            and (candidate.types[index].preferred or not has_preferred)
            for index, category, has_preferred in slots
        )
    ]
    return kept or candidates


def _select(candidates: list[_Candidate], actual: Sequence[Type]) -> _Candidate | None:
    """func_select_candidate: the best candidate, or None when none is best."""
    for preferred in (False, True):
        candidates = _best(candidates, actual, preferred)
        if len(candidates) == 1:
            return candidates[0]
    if UNKNOWN not in actual:
        return None
    candidates = _by_category(candidates, actual)
    if len(candidates) == 1:
        return candidates[0]
    known = {given for given in actual if given is not UNKNOWN}
    if len(known) == 1:
        assumed = [known.pop()] * len(actual)
        fitting = [candidate for candidate in candidates if can_coerce_all(assumed, candidate.types)]
        if len(fitting) == 1:
            return fitting[0]
    return None


# --- operators ------------------------------------------------------------------------------------------

OperatorMatch: TypeAlias = tuple[Operator, tuple[Type, ...], Type]
_operator_cache: dict[tuple[str, Type | None, Type], OperatorMatch] = {}


def resolve_operator(name: str, left: Type | None, right: Type) -> OperatorMatch:
    """(operator, argument types, result type); `left` None: a prefix operator.

    Raises 42883, 42725, 42804, 42P18.
    """
    key = (name, left, right)
    found = _operator_cache.get(key)
    if found is None:
        found = _operator_cache[key] = _resolve_operator(name, left, right)
    return found


def _resolve_operator(name: str, left: Type | None, right: Type) -> OperatorMatch:
    actual = (right,) if left is None else (left, right)
    candidates = [
        _Candidate(entry, (entry.right,) if entry.left is None else (entry.left, entry.right))
        for entry in OPERATORS.get(name, ())
        if (entry.left is None) == (left is None)
    ]
    assumed = actual
    if len(actual) == 2:
        if left is UNKNOWN:
            assumed = (right, right)
        elif right is UNKNOWN and left is not None:
            assumed = (left, left)
    chosen = next((candidate for candidate in candidates if candidate.types == assumed), None)
    if chosen is None:
        fitting = [candidate for candidate in candidates if can_coerce_all(actual, candidate.types)]
        if not fitting:
            raise _no_operator(name, actual)
        chosen = fitting[0] if len(fitting) == 1 else _select(fitting, actual)
        if chosen is None:
            hint = "Could not choose a best candidate operator. You might need to add explicit type casts."
            raise PgError("42725", f"operator is not unique: {_operation(name, actual)}", hint=hint)
    entry = chosen.entry
    assert isinstance(entry, Operator)
    types, result = polymorphic.bind(chosen.types, actual, entry.result, common_or_none)
    return entry, types, result


def _operation(name: str, actual: Sequence[Type]) -> str:
    if len(actual) == 1:
        return f"{name} {actual[0].display}"
    return f"{actual[0].display} {name} {actual[1].display}"


def _no_operator(name: str, actual: Sequence[Type]) -> PgError:
    if len(actual) == 1:
        hint = "No operator matches the given name and argument type. " + _CAST_ONE
    else:
        hint = "No operator matches the given name and argument types. " + _CASTS
    return PgError("42883", f"operator does not exist: {_operation(name, actual)}", hint=hint)


# --- functions ------------------------------------------------------------------------------------------


def resolve_function(
    names: Sequence[str],
    actual: Sequence[Type],
    arg_names: Sequence[str] = (),
    variadic: bool = False,
    ordered: bool = False,
) -> Match:
    """The function, aggregate or window function of a call.

    `actual` has the types in the call's order (UNKNOWN for untyped ones); the last len(arg_names) are named.
    `variadic`: the last argument is marked VARIADIC. `ordered`: the call has ORDER BY among its arguments.
    Raises 42883, 42725, 42804, 42P18, 3F000.
    """
    candidates = _candidates(_entries(names), actual, arg_names, variadic)
    chosen = next((candidate for candidate in candidates if candidate.types == tuple(actual)), None)
    if chosen is None:
        target = _cast_target(names, actual, arg_names, variadic)
        if target is not None:
            return Match("coercion", None, tuple(actual), target, (0,))
        fitting = [candidate for candidate in candidates if can_coerce_all(actual, candidate.types)]
        if not fitting:
            raise _no_function(names, actual, arg_names, ordered)
        chosen = fitting[0] if len(fitting) == 1 else _select(fitting, actual)
        if chosen is None:
            called = signature(".".join(names), actual, arg_names)
            hint = "Could not choose a best candidate function. You might need to add explicit type casts."
            raise PgError("42725", f"function {called} is not unique", hint=hint)
    return _match(chosen, actual, variadic)


def _entries(names: Sequence[str]) -> list[Entry]:
    name = names[-1]
    schema = names[-2] if len(names) > 1 else "pg_catalog"
    if schema != "pg_catalog":
        return [entry for entry in FUNCTIONS.get(name, ()) if entry.schema == schema]
    functions = (entry for entry in FUNCTIONS.get(name, ()) if entry.schema == schema)
    return [*functions, *AGGREGATES.get(name, ()), *WINDOW_FUNCTIONS.get(name, ())]


def _candidates(
    entries: Sequence[Entry], actual: Sequence[Type], arg_names: Sequence[str], variadic: bool
) -> list[_Candidate]:
    """Every entry that takes so many arguments; of several with equal types the plainest."""
    found: dict[tuple[Type, ...], _Candidate] = {}
    for entry in entries:
        candidate = _named(entry, actual, arg_names) if arg_names else _positional(entry, actual, variadic)
        if candidate is None:
            continue
        other = found.get(candidate.types)
        if other is None or (candidate.expanded, candidate.defaulted) < (other.expanded, other.defaulted):
            found[candidate.types] = candidate
    return list(found.values())


def _defaults(entry: Entry) -> tuple[object, ...]:
    return () if isinstance(entry, Aggregate) else entry.default_values


def _positional(entry: Entry, actual: Sequence[Type], variadic: bool) -> _Candidate | None:
    given, taken = len(actual), len(entry.args)
    if variadic and not entry.variadic:
        return None
    if entry.variadic and not variadic:
        if given < taken:
            return None
        last = entry.args[-1]
        element = last if last is ANY else _variadic_element(last)
        count = given - taken + 1
        types = entry.args[:-1] + (element,) * count
        return _Candidate(entry, types, tuple(range(given)), 0 if last is ANY else count)
    missing = taken - given
    if missing < 0 or missing > len(_defaults(entry)):
        return None
    return _Candidate(entry, entry.args[:given], (*range(given), *[None] * missing), 0, missing)


def _variadic_element(array: Type) -> Type:
    element = polymorphic.VARIADIC.get(array, array.element)
    assert element is not None
    return element


def _named(entry: Entry, actual: Sequence[Type], arg_names: Sequence[str]) -> _Candidate | None:
    """Named notation (PostgreSQL, chapter 4.3.2)."""
    declared = entry.arg_names if isinstance(entry, Function) else ()
    if not declared or entry.variadic or len(actual) > len(entry.args):
        return None
    plain = len(actual) - len(arg_names)
    positions: list[int | None] = [*range(plain), *[None] * (len(entry.args) - plain)]
    types = list(entry.args[:plain])
    for offset, name in enumerate(arg_names):
        if name not in declared[plain:]:
            return None
        at = declared.index(name, plain)
        positions[at] = plain + offset
        types.append(entry.args[at])
    first_default = len(entry.args) - len(_defaults(entry))
    missing = [at for at, position in enumerate(positions) if position is None]
    if any(at < first_default for at in missing):
        return None
    return _Candidate(entry, tuple(types), tuple(positions), 0, len(missing))


def _cast_target(
    names: Sequence[str], actual: Sequence[Type], arg_names: Sequence[str], variadic: bool
) -> Type | None:
    """A call with one argument whose name is a type's: a cast, when that needs no function."""
    if len(actual) != 1 or arg_names or variadic or (len(names) > 1 and names[-2] != "pg_catalog"):
        return None
    target = BY_NAME.get(names[-1])
    if target is None or target.kind == "p":
        return None
    source = actual[0]
    if source is UNKNOWN:
        return target
    cast = find_cast(source, target, "e")
    if cast is None:
        return None
    if cast.method == "io":
        return None if source.category in "CP" and target.category == "S" else target
    return target if cast.func is None else None


def _spread(entry: Function) -> Function:
    """VARIADIC "any" called with VARIADIC array: its elements are the arguments; NULL for a NULL array."""

    def run(*given: Any) -> Any:
        lead, values = list(given[: entry.needs_env]), list(given[entry.needs_env :])
        types: Any = values.pop(0) if entry.needs_types else ()
        array = values.pop()
        if array is None:
            return None
        if entry.needs_types:
            lead.append((*types[:-1], *[types[-1].element] * len(array.elements)))
        return entry.impl(*lead, *values, *array.elements)

    return replace(entry, impl=run)


def _match(chosen: _Candidate, actual: Sequence[Type], variadic: bool) -> Match:
    entry = chosen.entry
    assert not isinstance(entry, Operator)
    if variadic and isinstance(entry, Function) and entry.args[-1:] == (ANY,):
        if actual[-1].element is None and actual[-1] is not UNKNOWN:
            raise PgError("42804", "VARIADIC argument must be an array")
        entry = _spread(entry)
    bound, result = polymorphic.bind(chosen.types, actual, entry.result, common_or_none)
    defaults = _defaults(entry)
    first_default = len(entry.args) - len(defaults)
    types: list[Type] = []
    used: list[object] = []
    for at, position in enumerate(chosen.positions):
        if position is None:
            types.append(entry.args[at])
            used.append(defaults[at - first_default])
        else:
            types.append(bound[position])
    kind = (
        "function"
        if isinstance(entry, Function)
        else "aggregate"
        if isinstance(entry, Aggregate)
        else "window"
    )
    return Match(kind, entry, tuple(types), result, chosen.positions, tuple(used), chosen.expanded)


def signature(name: str, actual: Sequence[Type], arg_names: Sequence[str] = ()) -> str:
    """`name(integer, b => text)` as errors show it."""
    plain = len(actual) - len(arg_names)
    shown = [given.display for given in actual[:plain]]
    shown += [f"{label} => {given.display}" for label, given in zip(arg_names, actual[plain:])]
    return f"{name}({', '.join(shown)})"


def _no_function(
    names: Sequence[str], actual: Sequence[Type], arg_names: Sequence[str], ordered: bool
) -> PgError:
    if names[-1] in REFUSED_FUNCTIONS and tuple(names[:-1]) in ((), ("pg_catalog",)):
        return refusals.FUNCTION.error(names[-1])
    if names[-1] in _GEOMETRIC and tuple(names[:-1]) in ((), ("pg_catalog",)):
        return refusals.DATATYPE.error(names[-1])
    refused = lacking.function(names)
    if refused is not None:
        return refused
    hint = "No function matches the given name and argument types. You might need to add explicit type casts."
    if ordered:
        hint = (
            "No aggregate function matches the given name and argument types. Perhaps you misplaced "
            "ORDER BY; ORDER BY must appear after all regular arguments of the aggregate."
        )
    called = signature(".".join(names), actual, arg_names)
    return PgError("42883", f"function {called} does not exist", hint=hint)
