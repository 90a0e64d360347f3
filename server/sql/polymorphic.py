"""What anyelement and anycompatible stand for (PostgreSQL, chapter 38.2.5)."""

from collections.abc import Callable, Sequence

from server.errors import PgError
from server.sql.types import (
    ANYARRAY,
    ANYCOMPATIBLE,
    ANYCOMPATIBLEARRAY,
    ANYCOMPATIBLENONARRAY,
    ANYELEMENT,
    ANYNONARRAY,
    TEXT,
    UNKNOWN,
    Type,
    array_of,
)

SIMPLE = frozenset({ANYELEMENT, ANYARRAY, ANYNONARRAY})
COMPATIBLE = frozenset({ANYCOMPATIBLE, ANYCOMPATIBLEARRAY, ANYCOMPATIBLENONARRAY})
POLYMORPHIC = SIMPLE | COMPATIBLE
CommonType = Callable[[Sequence[Type]], Type | None]


def _mismatch(message: str, detail: str | None = None) -> PgError:
    return PgError("42804", message, detail=detail)


def _array_type(element: Type) -> Type:
    found = array_of(element)
    if found is None:
        raise PgError("42704", f"could not find array type for data type {element.display}")
    return found


def _simple(declared: Sequence[Type], actual: Sequence[Type]) -> tuple[Type | None, Type | None, bool]:
    """(element, array, an untyped argument was there) of the anyelement family."""
    element: Type | None = None
    array: Type | None = None
    unknown = False
    for wanted, given in zip(declared, actual):
        if wanted not in SIMPLE:
            continue
        if given is UNKNOWN:
            unknown = True
        elif wanted is ANYARRAY:
            if array is not None and array is not given:
                detail = f"{array.display} versus {given.display}"
                raise _mismatch('arguments declared "anyarray" are not all alike', detail)
            array = given
        else:
            if element is not None and element is not given:
                detail = f"{element.display} versus {given.display}"
                raise _mismatch('arguments declared "anyelement" are not all alike', detail)
            element = given
    if array is not None and array is not ANYARRAY:
        if array.element is None:
            raise _mismatch(f"argument declared anyarray is not an array but type {array.display}")
        if element is None:
            element = array.element
        elif array.element is not element:
            raise _mismatch(
                "argument declared anyarray is not consistent with argument declared anyelement",
                f"{array.display} versus {element.display}",
            )
    return element, array, unknown


def _compatible(
    declared: Sequence[Type], actual: Sequence[Type], common: CommonType
) -> tuple[Type | None, bool]:
    """(common type, an untyped argument was there) of the anycompatible family."""
    types: list[Type] = []
    unknown = False
    for wanted, given in zip(declared, actual):
        if wanted not in COMPATIBLE:
            continue
        if given is UNKNOWN:
            unknown = True
        elif wanted is ANYCOMPATIBLEARRAY:
            if given.element is None:
                raise _mismatch(
                    f"argument declared anycompatiblearray is not an array but type {given.display}"
                )
            types.append(given.element)
        else:
            types.append(given)
    if not types:
        return None, unknown
    found = common(types)
    if found is None:
        raise _mismatch("arguments of anycompatible family cannot be cast to a common type")
    return found, unknown


def _require_nonarray(declared: Sequence[Type], marker: Type, bound: Type) -> None:
    if marker in declared and bound.element is not None:
        raise _mismatch(f"type bound to {marker.name} is an array type: {bound.display}")


def bind(
    declared: Sequence[Type], actual: Sequence[Type], result: Type, common: CommonType
) -> tuple[tuple[Type, ...], Type]:
    """Argument types and result type after polymorphism; raises 42804, 42P18, 42704."""
    if result not in POLYMORPHIC and POLYMORPHIC.isdisjoint(declared):
        return tuple(declared), result
    mapping: dict[Type, Type] = {}
    if result in SIMPLE or not SIMPLE.isdisjoint(declared):
        element, array, _ = _simple(declared, actual)
        if element is None and array is not ANYARRAY:
            raise PgError("42804", "could not determine polymorphic type because input has type unknown")
        if element is not None:
            _require_nonarray(declared, ANYNONARRAY, element)
            mapping[ANYELEMENT] = mapping[ANYNONARRAY] = element
            if array is not None or ANYARRAY in declared or result is ANYARRAY:
                mapping[ANYARRAY] = array or _array_type(element)
    if result in COMPATIBLE or not COMPATIBLE.isdisjoint(declared):
        chosen, _ = _compatible(declared, actual, common)
        chosen = chosen or TEXT
        _require_nonarray(declared, ANYCOMPATIBLENONARRAY, chosen)
        mapping[ANYCOMPATIBLE] = mapping[ANYCOMPATIBLENONARRAY] = chosen
        if ANYCOMPATIBLEARRAY in declared or result is ANYCOMPATIBLEARRAY:
            mapping[ANYCOMPATIBLEARRAY] = _array_type(chosen)
    return tuple(mapping.get(wanted, wanted) for wanted in declared), mapping.get(result, result)


def consistent(declared: Sequence[Type], actual: Sequence[Type], common: CommonType) -> bool:
    """check_generic_type_consistency: could these arguments be meant?"""
    try:
        element, _, _ = _simple(declared, actual)
        if element is not None:
            _require_nonarray(declared, ANYNONARRAY, element)
        chosen, _ = _compatible(declared, actual, common)
        if chosen is not None:
            _require_nonarray(declared, ANYCOMPATIBLENONARRAY, chosen)
    except PgError:
        return False
    return True
