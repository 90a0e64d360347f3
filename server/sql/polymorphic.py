"""What anyelement and anycompatible, and the arrays and ranges of them, stand for (PostgreSQL, chapter 38.2.5)."""

from collections.abc import Callable, Sequence

from server.errors import PgError
from server.sql.types import (
    ANYARRAY,
    ANYCOMPATIBLE,
    ANYCOMPATIBLEARRAY,
    ANYCOMPATIBLEMULTIRANGE,
    ANYCOMPATIBLENONARRAY,
    ANYCOMPATIBLERANGE,
    ANYELEMENT,
    ANYMULTIRANGE,
    ANYNONARRAY,
    ANYRANGE,
    MULTIRANGE_OF,
    TEXT,
    UNKNOWN,
    Type,
    array_of,
)

SIMPLE = frozenset({ANYELEMENT, ANYARRAY, ANYNONARRAY, ANYRANGE, ANYMULTIRANGE})
COMPATIBLE = frozenset(
    {ANYCOMPATIBLE, ANYCOMPATIBLEARRAY, ANYCOMPATIBLENONARRAY, ANYCOMPATIBLERANGE, ANYCOMPATIBLEMULTIRANGE}
)
POLYMORPHIC = SIMPLE | COMPATIBLE
VARIADIC = {ANYARRAY: ANYELEMENT, ANYCOMPATIBLEARRAY: ANYCOMPATIBLE}
"""What a variadic parameter of such a type collects."""
CommonType = Callable[[Sequence[Type]], Type | None]
_NOUNS = {"array": "an array", "multirange": "a multirange type", "range": "a range type"}
"""What an argument has to be, by the end of the name that it is declared with."""


def _mismatch(message: str, detail: str | None = None) -> PgError:
    return PgError("42804", message, detail=detail, position=0)


def _part(marker: Type, given: Type) -> Type:
    """The element of an array, the subtype of a range, the range of a multirange; 42804 of another type."""
    ending = next(ending for ending in _NOUNS if marker.name.endswith(ending))
    if ending == "array":
        found = given.element
    else:
        found = given.subtype if given.kind == ending[0] else None
    if found is None:
        raise _mismatch(f"argument declared {marker.name} is not {_NOUNS[ending]} but type {given.display}")
    return found


def _collect(found: dict[Type, Type], marker: Type, given: Type) -> None:
    """Note an argument's type: all with the same marker have the same; 42804."""
    known = found.setdefault(marker, given)
    if known is not given:
        message = f'arguments declared "{marker.name}" are not all alike'
        raise _mismatch(message, f"{known.display} versus {given.display}")


def _deduce(found: dict[Type, Type], marker: Type, other: Type) -> None:
    """What `marker` stands for has parts of the type that `other` stands for; 42804."""
    given = found.get(marker)
    if given is None:
        return
    part = _part(marker, given)
    known = found.setdefault(other, part)
    if known is not part:
        raise _mismatch(
            f"argument declared {marker.name} is not consistent with argument declared {other.name}",
            f"{given.display} versus {known.display}",
        )


def _simple(declared: Sequence[Type], actual: Sequence[Type]) -> dict[Type, Type]:
    """What the markers of the anyelement family stand for, as far as typed arguments say."""
    found: dict[Type, Type] = {}
    for wanted, given in zip(declared, actual):
        if wanted in SIMPLE and given is not UNKNOWN:
            _collect(found, ANYELEMENT if wanted is ANYNONARRAY else wanted, given)
    if found.get(ANYARRAY) is not ANYARRAY:
        _deduce(found, ANYARRAY, ANYELEMENT)
    _deduce(found, ANYMULTIRANGE, ANYRANGE)
    _deduce(found, ANYRANGE, ANYELEMENT)
    if ANYELEMENT in found:
        _require_nonarray(declared, ANYNONARRAY, found[ANYELEMENT])
    return found


def _compatible(declared: Sequence[Type], actual: Sequence[Type], common: CommonType) -> dict[Type, Type]:
    """The same of the anycompatible family."""
    found: dict[Type, Type] = {}
    types: list[Type] = []
    for wanted, given in zip(declared, actual):
        if wanted not in COMPATIBLE or given is UNKNOWN:
            continue
        if wanted is ANYCOMPATIBLEARRAY:
            types.append(_part(wanted, given))
        elif wanted in (ANYCOMPATIBLERANGE, ANYCOMPATIBLEMULTIRANGE):
            _collect(found, wanted, given)
        else:
            types.append(given)
    _deduce(found, ANYCOMPATIBLEMULTIRANGE, ANYCOMPATIBLERANGE)
    held = found.get(ANYCOMPATIBLERANGE)
    if held is not None:
        types.append(_part(ANYCOMPATIBLERANGE, held))
    if not types:
        return found
    chosen = common(types)
    if chosen is None:
        raise _mismatch("arguments of anycompatible family cannot be cast to a common type")
    _require_nonarray(declared, ANYCOMPATIBLENONARRAY, chosen)
    if held is not None and held.subtype is not chosen:
        message = f"anycompatiblerange type {held.display} does not match anycompatible type {chosen.display}"
        raise _mismatch(message)
    found[ANYCOMPATIBLE] = chosen
    return found


def _require_nonarray(declared: Sequence[Type], marker: Type, bound: Type) -> None:
    if marker in declared and bound.element is not None:
        raise _mismatch(f"type matched to {marker.name} is an array type: {bound.display}")


def _complete(
    found: dict[Type, Type], wanted: Sequence[Type], element: Type, array: Type, ranged: Type, several: Type
) -> None:
    """The arrays and ranges that untyped arguments and the result need; 42804, 42704.

    A range type is never known from its subtype, as others may have the same; a multirange type is from its range.
    """
    for marker in wanted:
        if marker in found or marker not in (array, ranged, several):
            continue
        if marker is array:
            made = array_of(found[element])
            if made is None:
                shown = found[element].display
                raise PgError("42704", f"could not find array type for data type {shown}", position=0)
        elif marker is several and ranged in found:
            made = MULTIRANGE_OF[found[ranged]]
        else:
            raise _mismatch(
                f"could not determine polymorphic type {marker.name} because input has type unknown"
            )
        found[marker] = made


def bind(
    declared: Sequence[Type], actual: Sequence[Type], result: Type, common: CommonType
) -> tuple[tuple[Type, ...], Type]:
    """Argument types and result type after polymorphism (enforce_generic_type_consistency); raises 42804, 42704."""
    mapping: dict[Type, Type] = {}
    wanted = (*declared, result)
    if not SIMPLE.isdisjoint(declared):
        found = _simple(declared, actual)
        if found.get(ANYARRAY) is ANYARRAY:
            is_alone = sum(kind in SIMPLE for kind in declared) == 1
            if not is_alone or (result in SIMPLE and result is not ANYARRAY):
                raise _mismatch('cannot determine element type of "anyarray" argument')
        elif ANYELEMENT in found:
            mapping[ANYNONARRAY] = found[ANYELEMENT]
            _require_nonarray(wanted, ANYNONARRAY, found[ANYELEMENT])
            _complete(found, wanted, ANYELEMENT, ANYARRAY, ANYRANGE, ANYMULTIRANGE)
        else:
            raise _mismatch("could not determine polymorphic type because input has type unknown")
        mapping |= found
    if not COMPATIBLE.isdisjoint(declared):
        found = _compatible(declared, actual, common)
        mapping[ANYCOMPATIBLENONARRAY] = found.setdefault(ANYCOMPATIBLE, TEXT)
        _complete(
            found, wanted, ANYCOMPATIBLE, ANYCOMPATIBLEARRAY, ANYCOMPATIBLERANGE, ANYCOMPATIBLEMULTIRANGE
        )
        _require_nonarray((result,), ANYCOMPATIBLENONARRAY, found[ANYCOMPATIBLE])
        mapping |= found
    return tuple(mapping.get(kind, kind) for kind in declared), mapping.get(result, result)


def consistent(declared: Sequence[Type], actual: Sequence[Type], common: CommonType) -> bool:
    """check_generic_type_consistency: could these arguments be meant?"""
    try:
        _simple(declared, actual)
        _compatible(declared, actual, common)
    except PgError:
        return False
    return True
