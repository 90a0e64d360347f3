"""A jsonpath as a tree, and its canonical text (PostgreSQL, chapter 9.16.2)."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeAlias

from server.sql import numeric
from server.sql.type_json import quote

LAST_LEVEL = (1 << 32) - 1
"""The level `last` of .**{}."""
COMPARISONS = frozenset(("==", "!=", "<", ">", "<=", ">="))
ARITHMETIC = frozenset("+-*/%")
METHODS = frozenset(("type", "size", "double", "ceiling", "floor", "abs", "keyvalue"))
"""Item methods without an argument; `datetime` may have one."""


@dataclass(frozen=True, slots=True, eq=False)
class Item:
    """One step of a path, or one operation; `op` is the symbol or word of the language.

    Beside these: root, current, string, numeric, boolean, null, variable, key, anykey, anyarray, subscripts,
    any (.**), filter, positive, negative, not, unknown.
    """

    op: str
    value: Any = None
    """The literal, key or name; (first, last) of any; (pattern, flags) of like_regex."""
    args: "tuple[Steps, ...]" = ()
    """Operands; of subscripts twice as many as there are: from and to, which is empty where only one is given."""


Steps: TypeAlias = tuple[Item, ...]
"""An expression: an item, and the accessors that follow it."""


class JsonPath:
    """A jsonpath value."""

    __slots__ = ("keyvalues", "lax", "steps")

    def __init__(self, steps: Steps, lax: bool) -> None:
        self.steps = steps
        self.lax = lax
        self.keyvalues = _count(steps, "keyvalue")
        """How often .keyvalue() occurs."""

    def __repr__(self) -> str:
        return f"JsonPath({render(self)})"


def _count(steps: Steps, op: str) -> int:
    """Items of that kind in an expression, however deep; its operators nest no deeper than the parser does."""
    return sum((item.op == op) + sum(_count(arg, op) for arg in item.args) for item in steps)


def render(path: JsonPath) -> str:
    """The canonical text."""
    made: list[str] = [] if path.lax else ["strict "]
    _Printer(made).steps(path.steps, True)
    return "".join(made)


def _priority(op: str) -> int:
    if op == "||":
        return 0
    if op == "&&":
        return 1
    if op in COMPARISONS or op == "starts with":
        return 2
    if op in ("+", "-"):
        return 3
    if op in ARITHMETIC:
        return 4
    return 5 if op in ("positive", "negative") else 6


_PLAIN = {"root": "$", "current": "@", "last": "last", "anyarray": "[*]", "null": "null"}


class _Printer:
    """Writes items one after the other."""

    def __init__(self, made: list[str]) -> None:
        self.made = made

    def steps(self, steps: Steps, bracketed: bool) -> None:
        """An expression; `bracketed`: an operator at its head gets parentheses."""
        self._head(steps[0], bracketed, len(steps) > 1)
        for item in steps[1:]:
            self._accessor(item)

    def _operand(self, steps: Steps, item: Item) -> None:
        self.steps(steps, _priority(steps[0].op) <= _priority(item.op))

    def _head(self, item: Item, bracketed: bool, followed: bool) -> None:
        op, add = item.op, self.made.append
        if op in _PLAIN:
            add(_PLAIN[op])
        elif op == "string":
            add(quote(item.value))
        elif op == "variable":
            add("$" + quote(item.value))
        elif op == "boolean":
            add("true" if item.value else "false")
        elif op == "numeric":
            assert isinstance(item.value, Decimal)
            text = numeric.render(item.value)
            add(f"({text})" if followed else text)
        elif op in ("not", "unknown", "exists"):
            add({"not": "!(", "unknown": "(", "exists": "exists ("}[op])
            self.steps(item.args[0], False)
            add(") is unknown" if op == "unknown" else ")")
        else:
            add("(" if bracketed else "")
            self._operation(item)
            add(")" if bracketed else "")

    def _operation(self, item: Item) -> None:
        if item.op in ("positive", "negative"):
            self.made.append("+" if item.op == "positive" else "-")
            self._operand(item.args[0], item)
        elif item.op == "like_regex":
            pattern, flags = item.value
            self._operand(item.args[0], item)
            shown = "".join(letter for letter in "ismxq" if letter in flags)
            self.made.append(f" like_regex {quote(pattern)}" + (f' flag "{shown}"' if shown else ""))
        else:
            self._operand(item.args[0], item)
            self.made.append(f" {item.op} ")
            self._operand(item.args[1], item)

    def _accessor(self, item: Item) -> None:
        op, add = item.op, self.made.append
        if op == "key":
            add("." + quote(item.value))
        elif op == "anykey":
            add(".*")
        elif op == "anyarray":
            add("[*]")
        elif op == "any":
            add("." + _levels(*item.value))
        elif op == "subscripts":
            self._subscripts(item.args)
        elif op == "filter":
            add("?(")
            self.steps(item.args[0], False)
            add(")")
        else:
            add(f".{op}(")
            for arg in item.args:
                self.steps(arg, False)
            add(")")

    def _subscripts(self, args: tuple[Steps, ...]) -> None:
        add = self.made.append
        for index in range(0, len(args), 2):
            add("," if index else "[")
            self.steps(args[index], False)
            if args[index + 1]:
                add(" to ")
                self.steps(args[index + 1], False)
        add("]")


def _levels(first: int, last: int) -> str:
    if (first, last) == (0, LAST_LEVEL):
        return "**"
    low, high = ("last" if level == LAST_LEVEL else str(level) for level in (first, last))
    return f"**{{{low}}}" if first == last else f"**{{{low} to {high}}}"
