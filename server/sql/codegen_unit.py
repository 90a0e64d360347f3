"""One generated function: its source, its namespace, its compilation."""

import itertools
import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from types import CodeType
from typing import Any, NamedTuple

from server.sql import exec_value

fresh = itertools.count(1).__next__
"""Keys of Context.slots and Context.memo: unique in the process, so plans in one Context never meet."""


_ATTRIBUTES = {"p": "params", "e": "env", "s": "slots", "m": "memo"}
"""Locals of generated code and what of the Context they hold."""
_CONTEXT = re.compile(r"\b[pesm]\b")


@lru_cache(4096)
def _compiled(source: str) -> CodeType:
    """Many plans have functions of the same shape: compiling is the dearest part of planning."""
    try:
        return compile(source, "<plan>", "exec")
    except MemoryError:
        raise RecursionError("expressions nested too deep for Python's parser") from None


class Code(NamedTuple):
    """A piece of source for one value."""

    src: str
    nullable: bool = True
    atom: bool = False
    """It may be repeated: a name, a subscript of one, a literal."""
    safe: bool = False
    """It can't raise, so it need not run when another operand is NULL."""


class Unit:
    """One generated function: its namespace, its temporaries."""

    def __init__(self) -> None:
        self.names: dict[str, Any] = {"X": exec_value, "fresh": fresh}
        self._bound: dict[int, str] = {}
        self._count = 0

    def bind(self, value: Any) -> str:
        """A global name for `value`."""
        name = self._bound.get(id(value))
        if name is None:
            name = f"g{len(self._bound)}"
            self._bound[id(value)] = name
            self.names[name] = value
        return name

    def temp(self) -> str:
        """A fresh local name."""
        self._count += 1
        return f"t{self._count}"

    def finish(self, signature: str, lines: Sequence[str]) -> Callable[..., Any]:
        """Compile `def made(signature)` with `lines` (indented relative to it) as its body."""
        text = "\n".join(lines)
        used = set(_CONTEXT.findall(text))
        prologue = [f"{name} = c.{_ATTRIBUTES[name]}" for name in sorted(used)]
        body = "\n".join("    " + line for line in [*prologue, *text.split("\n")])
        exec(_compiled(f"def made({signature}):\n{body}\n"), self.names)
        made: Callable[..., Any] = self.names["made"]
        return made


def literal(value: Any) -> str | None:
    """Source of a value that may stand in the code as it is."""
    kind = type(value)
    if value is None or kind is bool or (kind is int and abs(value) < 1 << 64):
        return repr(value)
    if (kind is str and len(value) < 40) or (kind is bytes and len(value) < 40):
        return repr(value)
    return None


def finish_nested(unit: Unit, signature: str, body: str) -> Callable[..., Any]:
    """A function that shares the namespace of `unit`."""
    nested = Unit()
    nested.names = unit.names
    made = nested.finish(signature, body.split("\n"))
    return made
