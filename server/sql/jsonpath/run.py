"""Evaluating a jsonpath over a jsonb document (PostgreSQL, chapter 9.16.2).

An item is a value of jsonb or a `Datetime`. Sequences of items are lists; where only their being counts, `found` is
None and the evaluation ends with the first one. Errors that `silent` and predicates suppress are `Suppressed`.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from decimal import Decimal
from operator import eq, ge, gt, le, lt, ne
from typing import Any

from server.errors import PgError
from server.sql import fn_numeric
from server.sql.context import Context
from server.sql.jsonpath import methods
from server.sql.jsonpath.datetime import Datetime, compared
from server.sql.jsonpath.keyvalue import Places, unshared
from server.sql.jsonpath.parse import regex_options
from server.sql.jsonpath.tree import LAST_LEVEL, Item, JsonPath, Steps
from server.sql.regex import compiled
from server.sql.sizes import elements_fit
from server.sql.type_json import Jsonb

STEPS_PER_TURN = 256
MAX_STEPS = 1 << 19
"""Items that an evaluation may visit where it can't give the others a turn."""
Found = list[Any] | None
_MISSING = object()


class Suppressed(Exception):
    """An error that nobody is told."""


class Evaluation:
    """One path over one document."""

    def __init__(
        self, path: JsonPath, root: Any, given: Jsonb | None, silent: bool, zoned: bool, context: Context
    ) -> None:
        """`given`: the variables; None: there are none, and their names stand for null."""
        variables = given.value if given is not None else None
        if given is not None and not isinstance(variables, dict):
            raise PgError(
                "22023",
                '"vars" argument is not an object',
                detail='Jsonpath parameters should be encoded as key-value pairs of "vars" object.',
            )
        self.path = path
        self.lax = self.ignoring = path.lax
        """`ignoring`: what is missing or of another kind is no error."""
        self.throwing = not silent
        self.zoned = zoned
        self.context = context
        self._visited = 0
        self.places: Places | None = None
        self.next_document = 1
        if path.keyvalues:
            self.places = Places(self.visit)
            root, variables = unshared(root, self.visit), unshared(variables, self.visit)
            self.places.add(root, 0)
            if variables is not None:
                self.places.add(variables, 1)
                self.next_document = 2
        self.root = self.current = root
        self.variables = variables
        self.size = -1
        """Of the innermost array whose subscripts are computed."""

    # --- what functions ask ---

    def exists(self) -> bool | None:
        """Whether the path finds an item; None: it ended with an error."""
        found: Found = None if self.lax else []
        try:
            result = self.item(self.path.steps, 0, self.root, found, self.lax)
        except Suppressed:
            return None
        return result if found is None else bool(found)

    def items(self) -> list[Any]:
        """The items that it finds, before a suppressed error if there is one."""
        found: list[Any] = []
        with suppress(Suppressed):
            self.item(self.path.steps, 0, self.root, found, self.lax)
        return found

    # --- the run ---

    def fail(self, sqlstate: str, message: str, hint: str | None = None) -> Exception:
        """An error to raise, which may be suppressed."""
        return PgError(sqlstate, message, hint=hint) if self.throwing else Suppressed()

    def visit(self) -> None:
        """Count one item; others get their turn now and then. 54000, 57014."""
        self._visited += 1
        if self._visited % STEPS_PER_TURN:
            return
        if not self.context.breathe() and self._visited >= MAX_STEPS:
            raise PgError("54000", "jsonpath visits too many items")

    def item(self, steps: Steps, at: int, value: Any, found: Found, unwrap: bool) -> bool:
        """The step `at` over one value; whether it found something, which goes on to the steps behind it.

        `unwrap`: an array stands for its elements where the step asks for something else.
        """
        self.visit()
        while steps[at].op == "key" and type(value) is dict:
            held = value.get(steps[at].value, _MISSING)
            if held is _MISSING:
                break
            value = held
            at += 1
            if at == len(steps):
                return keep(found, value)
            unwrap = self.lax
        return _STEPS[steps[at].op](self, steps, at, value, found, unwrap)

    def then(self, steps: Steps, at: int, value: Any, found: Found) -> bool:
        """The steps behind `at` over one value."""
        if at + 1 < len(steps):
            return self.item(steps, at + 1, value, found, self.lax)
        return keep(found, value)

    def each(self, values: Iterator[Any], steps: Steps, at: int, found: Found, unwrap: bool) -> bool:
        """The step `at` over every one of some values; behind the last step they are kept."""
        if at == len(steps):
            if found is None:
                return next(values, _MISSING) is not _MISSING
            found.extend(values)
            elements_fit(len(found))
            return False
        result = False
        for value in values:
            result = self.item(steps, at, value, found, unwrap)
            if result and found is None:
                break
        return result

    def unwrapped(self, steps: Steps, value: Any, quiet: bool = False, unwrap: bool = True) -> list[Any]:
        """The items of an expression, in lax mode with arrays as their elements; `quiet`: errors are suppressed."""
        throwing = self.throwing
        self.throwing = throwing and not quiet
        found: list[Any] = []
        try:
            self.item(steps, 0, value, found, self.lax)
        finally:
            self.throwing = throwing
        if not (unwrap and self.lax and any(type(each) is list for each in found)):
            return found
        made: list[Any] = []
        for each in found:
            made += each if type(each) is list else (each,)
        elements_fit(len(made))
        return made

    def number(self, function: Callable[..., Decimal], *operands: Decimal) -> Decimal:
        """Arithmetic, whose errors may be suppressed."""
        try:
            return function(*operands)
        except PgError:
            if self.throwing:
                raise
            raise Suppressed from None

    # --- predicates ---

    def true(self, item: Item, value: Any) -> bool | None:
        """A predicate over a value; None is unknown."""
        self.visit()
        op = item.op
        if op == "&&":
            left = self.true(item.args[0][0], value)
            if left is False:
                return False
            right = self.true(item.args[1][0], value)
            return left if right else right
        if op == "||":
            left = self.true(item.args[0][0], value)
            if left:
                return True
            right = self.true(item.args[1][0], value)
            return left if right is False else right
        if op == "not":
            inner = self.true(item.args[0][0], value)
            return None if inner is None else not inner
        if op == "unknown":
            return self.true(item.args[0][0], value) is None
        if op == "exists":
            return self._exists(item, value)
        return self._any_pair(item, value)

    def _exists(self, item: Item, value: Any) -> bool | None:
        throwing, self.throwing = self.throwing, False
        found: Found = None if self.lax else []
        try:
            result = self.item(item.args[0], 0, value, found, self.lax)
        except Suppressed:
            return None
        finally:
            self.throwing = throwing
        return result if found is None else bool(found)

    def _any_pair(self, item: Item, value: Any) -> bool | None:
        """Whether a comparison is true of some pair of operands; strict mode looks at all of them first."""
        rights: list[Any] = [None]
        try:
            lefts = self.unwrapped(item.args[0], value, True)
            if len(item.args) == 2:
                rights = self.unwrapped(item.args[1], value, True, item.op != "starts with")
        except Suppressed:
            return None
        test = _TESTS[item.op]
        is_found = is_unknown = False
        for left in lefts:
            for right in rights:
                self.visit()
                result = test(self, item, left, right)
                if result is None:
                    if not self.lax:
                        return None
                    is_unknown = True
                elif result:
                    if self.lax:
                        return True
                    is_found = True
        return True if is_found else None if is_unknown else False


def keep(found: Found, value: Any) -> bool:
    """An item that was found."""
    if found is not None:
        found.append(value)
        if not len(found) & 0xFFFF:
            elements_fit(len(found))
    return True


# --- tests ---


def _compare(run: Evaluation, item: Item, left: Any, right: Any) -> bool | None:
    kind = type(left)
    if kind is not type(right):
        return item.op == "!=" if left is None or right is None else None
    if kind is list or kind is dict:
        return None
    if kind is Datetime:
        order = compared(left, right, run.zoned, run.context.env)
        return None if order is None else _ORDERS[item.op](order, 0)
    if left is None:
        return _ORDERS[item.op](0, 0)
    return _ORDERS[item.op](left, right)


def _starts_with(run: Evaluation, item: Item, left: Any, right: Any) -> bool | None:
    if type(left) is str and type(right) is str:
        return left.startswith(right)
    return None


def _like_regex(run: Evaluation, item: Item, left: Any, right: Any) -> bool | None:
    if type(left) is not str:
        return None
    pattern, flags = item.value
    return compiled(pattern, regex_options(flags)).matches(left)


_ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "==": eq, "!=": ne, "<": lt, ">": gt, "<=": le, ">=": ge,
}  # fmt: skip
_TESTS: dict[str, Callable[[Evaluation, Item, Any, Any], bool | None]] = {
    **dict.fromkeys(_ORDERS, _compare),
    "starts with": _starts_with,
    "like_regex": _like_regex,
}

# --- steps -----------------------------------------------------------------------------------------------


def _predicate(run: Evaluation, steps: Steps, at: int, value: Any, found: Found, unwrap: bool) -> bool:
    result = run.true(steps[at], value)
    return run.then(steps, at, result, found)


def _key(run: Evaluation, steps: Steps, at: int, value: Any, found: Found, unwrap: bool) -> bool:
    if type(value) is list and unwrap:
        return run.each(iter(value), steps, at, found, False)
    if not run.ignoring:
        if type(value) is dict:
            raise run.fail("2203A", f'JSON object does not contain key "{steps[at].value}"')
        raise run.fail("2203A", "jsonpath member accessor can only be applied to an object")
    return False


def _any_key(run: Evaluation, steps: Steps, at: int, value: Any, found: Found, unwrap: bool) -> bool:
    if type(value) is dict:
        return run.each(iter(value.values()), steps, at + 1, found, run.lax)
    if type(value) is list and unwrap:
        return run.each(iter(value), steps, at, found, False)
    if not run.ignoring:
        raise run.fail("2203C", "jsonpath wildcard member accessor can only be applied to an object")
    return False


def _any_array(run: Evaluation, steps: Steps, at: int, value: Any, found: Found, unwrap: bool) -> bool:
    if type(value) is list:
        return run.each(iter(value), steps, at + 1, found, run.lax)
    if run.lax:
        return run.then(steps, at, value, found)
    if not run.ignoring:
        raise run.fail("22039", "jsonpath wildcard array accessor can only be applied to an array")
    return False


def _subscripts(run: Evaluation, steps: Steps, at: int, value: Any, found: Found, unwrap: bool) -> bool:
    is_array = type(value) is list
    if not is_array and not run.lax:
        if not run.ignoring:
            raise run.fail("22039", "jsonpath array accessor can only be applied to an array")
        return False
    values = value if is_array else [value]
    outer, run.size = run.size, len(values)
    result = False
    try:
        args = steps[at].args
        for index in range(0, len(args), 2):
            low = _subscript(run, args[index], value)
            high = _subscript(run, args[index + 1], value) if args[index + 1] else low
            if not run.ignoring and not 0 <= low <= high < len(values):
                raise run.fail("22033", "jsonpath array subscript is out of bounds")
            result = False
            for place in range(max(low, 0), min(high + 1, len(values))):
                run.visit()
                result = run.then(steps, at, values[place], found)
                if result and found is None:
                    return True
    finally:
        run.size = outer
    return result


def _subscript(run: Evaluation, steps: Steps, value: Any) -> int:
    found: list[Any] = []
    run.item(steps, 0, value, found, run.lax)
    if len(found) != 1 or type(found[0]) is not Decimal:
        raise run.fail("22033", "jsonpath array subscript is not a single numeric value")
    index = int(found[0])
    if not -(1 << 31) <= index < 1 << 31:
        raise run.fail("22033", "jsonpath array subscript is out of integer range")
    return index


def _any(run: Evaluation, steps: Steps, at: int, value: Any, found: Found, unwrap: bool) -> bool:
    first, last = steps[at].value
    is_deep = type(value) is dict or type(value) is list
    result = False
    outer, run.ignoring = run.ignoring, True
    try:
        if first == 0:
            try:
                result = run.then(steps, at, value, found)
            except Suppressed:
                if not is_deep:
                    raise
            if result and found is None:
                return True
        if is_deep and last > 0:
            return _descend(run, steps, at, value, found)
    finally:
        run.ignoring = outer
    return result


def _children(value: Any) -> Iterator[Any]:
    return iter(value.values() if type(value) is dict else value)


def _descend(run: Evaluation, steps: Steps, at: int, value: Any, found: Found) -> bool:
    """All values inside, on the levels that the step names."""
    first, last = steps[at].value
    only_leaves = first == last == LAST_LEVEL
    result = False
    stack = [_children(value)]
    while stack:
        child = next(stack[-1], _MISSING)
        if child is _MISSING:
            stack.pop()
            continue
        run.visit()
        level = len(stack)
        is_deep = type(child) is dict or type(child) is list
        if level >= first or (only_leaves and not is_deep):
            result = run.then(steps, at, child, found)
            if result and found is None:
                return True
        if is_deep and level < last:
            stack.append(_children(child))
    return result


def _filter(run: Evaluation, steps: Steps, at: int, value: Any, found: Found, unwrap: bool) -> bool:
    if type(value) is list and unwrap:
        return run.each(iter(value), steps, at, found, False)
    outer, run.current = run.current, value
    try:
        passes = run.true(steps[at].args[0][0], value)
    finally:
        run.current = outer
    return run.then(steps, at, value, found) if passes else False


def _root(run: Evaluation, steps: Steps, at: int, value: Any, found: Found, unwrap: bool) -> bool:
    return run.then(steps, at, run.root, found)


def _current(run: Evaluation, steps: Steps, at: int, value: Any, found: Found, unwrap: bool) -> bool:
    return run.then(steps, at, run.current, found)


def _literal(run: Evaluation, steps: Steps, at: int, value: Any, found: Found, unwrap: bool) -> bool:
    return run.then(steps, at, steps[at].value, found)


def _last(run: Evaluation, steps: Steps, at: int, value: Any, found: Found, unwrap: bool) -> bool:
    return run.then(steps, at, Decimal(run.size - 1), found)


def _variable(run: Evaluation, steps: Steps, at: int, value: Any, found: Found, unwrap: bool) -> bool:
    name = steps[at].value
    held = run.variables.get(name, _MISSING) if run.variables is not None else None
    if held is _MISSING:
        raise PgError("42704", f'could not find jsonpath variable "{name}"')
    return run.then(steps, at, held, found)


_ARITHMETIC: dict[str, Callable[..., Decimal]] = {
    "+": fn_numeric.add,
    "-": fn_numeric.subtract,
    "*": fn_numeric.multiply,
    "/": fn_numeric.divide,
    "%": fn_numeric.modulo,
}


def _arithmetic(run: Evaluation, steps: Steps, at: int, value: Any, found: Found, unwrap: bool) -> bool:
    op = steps[at].op
    left, right = (run.unwrapped(arg, value) for arg in steps[at].args)
    for side, items in (("left", left), ("right", right)):
        if len(items) != 1 or type(items[0]) is not Decimal:
            message = f"{side} operand of jsonpath operator {op} is not a single numeric value"
            raise run.fail("22038", message)
    return run.then(steps, at, run.number(_ARITHMETIC[op], left[0], right[0]), found)


def _signed(run: Evaluation, steps: Steps, at: int, value: Any, found: Found, unwrap: bool) -> bool:
    is_negative = steps[at].op == "negative"
    is_last = at + 1 == len(steps)
    result = False
    for operand in run.unwrapped(steps[at].args[0], value):
        run.visit()
        if type(operand) is not Decimal:
            if found is None and is_last:
                continue
            sign = "-" if is_negative else "+"
            raise run.fail("2203B", f"operand of unary jsonpath operator {sign} is not a numeric value")
        made = fn_numeric.minus(operand) if is_negative else operand
        result = run.then(steps, at, made, found) or result
        if result and found is None:
            return True
    return result


_STEPS: dict[str, Callable[[Evaluation, Steps, int, Any, Found, bool], bool]] = {
    **dict.fromkeys((*_TESTS, "&&", "||", "not", "unknown", "exists"), _predicate),
    **dict.fromkeys(("string", "numeric", "boolean", "null"), _literal),
    **dict.fromkeys(_ARITHMETIC, _arithmetic),
    **dict.fromkeys(("positive", "negative"), _signed),
    "key": _key,
    "anykey": _any_key,
    "anyarray": _any_array,
    "subscripts": _subscripts,
    "any": _any,
    "filter": _filter,
    "root": _root,
    "current": _current,
    "last": _last,
    "variable": _variable,
    **methods.STEPS,
}
