"""What a core must not do, found in its source: effects, clocks, chance, and orders that a hash seed decides."""

import ast
from collections.abc import Iterator

from tests.unit.test_imports import imports

IMPORTS = frozenset(
    [
        "asyncio",
        "concurrent",
        "contextvars",
        "ctypes",
        "datetime",
        "fcntl",
        "greenlet",
        "http",
        "io",
        "logging",
        "mmap",
        "multiprocessing",
        "os",
        "pathlib",
        "queue",
        "random",
        "secrets",
        "select",
        "selectors",
        "shutil",
        "signal",
        "socket",
        "ssl",
        "subprocess",
        "sys",
        "tempfile",
        "threading",
        "time",
        "urllib",
        "uuid",
        "uvloop",
        "weakref",
    ]
)
CALLS = frozenset(
    ["open", "print", "input", "eval", "exec", "breakpoint", "hash", "id", "__import__", "globals"]
)
_MAKERS = frozenset(("set", "frozenset"))
_COMBINE = frozenset(("union", "intersection", "difference", "symmetric_difference"))
_ANY_ORDER = frozenset(("sorted", "any", "all", "sum", "len", "set", "frozenset"))
"""Their result does not depend on the order in which they see things; nor that of min and max without a key."""
_ORDERED = frozenset(["list", "tuple", "iter", "enumerate", "zip", "map", "filter", "dict", "deque"])
_METHODS = frozenset(("join", "extend", "fromkeys"))


def findings(tree: ast.AST) -> list[str]:
    """Each as `line: what`."""
    found = [f"{line}: import {module}" for module, line in imports(tree) if module.split(".")[0] in IMPORTS]
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CALLS:
            found.append(f"{node.lineno}: {node.func.id}()")
        if isinstance(node, ast.Global | ast.AsyncFunctionDef | ast.Await):
            found.append(f"{node.lineno}: {type(node).__name__}")
    return [*found, *(f"{line}: order of a set" for line in _Sets(tree).uses())]


class _Sets:
    """Follows names and attributes that hold sets, by assignment or annotation, through one module."""

    def __init__(self, tree: ast.AST) -> None:
        self._tree = tree
        self._names: set[str] = set()
        for node in ast.walk(tree):
            self._declare(node)
        while self._assign():
            pass
        self._harmless = {
            argument
            for node in ast.walk(tree)
            if isinstance(node, ast.Call) and _ignores_order(node)
            for argument in node.args
            if isinstance(argument, ast.GeneratorExp)
        }

    def uses(self) -> Iterator[int]:
        """Lines where the order of a set matters."""
        for node in ast.walk(self._tree):
            if isinstance(node, ast.For) and self._is_set(node.iter):
                yield node.lineno
            elif isinstance(node, ast.ListComp | ast.DictComp | ast.GeneratorExp):
                if node not in self._harmless and any(self._is_set(each.iter) for each in node.generators):
                    yield node.lineno
            elif isinstance(node, ast.Starred):
                if self._is_set(node.value):
                    yield node.lineno
            elif isinstance(node, ast.Call) and self._takes_order(node):
                yield node.lineno

    def _takes_order(self, call: ast.Call) -> bool:
        function = call.func
        takes = any(self._is_set(argument) for argument in call.args)
        if isinstance(function, ast.Name):
            return takes and (
                function.id in _ORDERED or (function.id in ("min", "max") and bool(call.keywords))
            )
        if not isinstance(function, ast.Attribute):
            return False
        if function.attr == "pop" and not call.args:
            return self._is_set(function.value)
        return takes and function.attr in _METHODS

    def _declare(self, node: ast.AST) -> None:
        if isinstance(node, ast.AnnAssign) and _is_set_type(node.annotation):
            self._names.add(_name(node.target))
        elif isinstance(node, ast.arg) and node.annotation is not None and _is_set_type(node.annotation):
            self._names.add(node.arg)
        elif isinstance(node, ast.FunctionDef) and node.returns is not None and _is_set_type(node.returns):
            self._names.add(node.name)

    def _assign(self) -> bool:
        """Whether a name more is known to hold a set."""
        before = len(self._names)
        for node in ast.walk(self._tree):
            if isinstance(node, ast.Assign) and self._is_set(node.value):
                self._names |= {_name(target) for target in node.targets}
        self._names.discard("")
        return len(self._names) > before

    def _is_set(self, node: ast.AST) -> bool:
        if isinstance(node, ast.Set | ast.SetComp):
            return True
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr | ast.BitAnd | ast.Sub | ast.BitXor):
            return self._is_set(node.left) or self._is_set(node.right) or _is_keys(node.left)
        if isinstance(node, ast.Call):
            function = node.func
            if isinstance(function, ast.Name):
                return function.id in _MAKERS or function.id in self._names
            if isinstance(function, ast.Attribute):
                return function.attr in _COMBINE or function.attr in self._names
            return False
        if isinstance(node, ast.IfExp):
            return self._is_set(node.body) or self._is_set(node.orelse)
        return _name(node) in self._names


def _name(node: ast.AST) -> str:
    """`x` and `anything.x`; "" for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    return node.attr if isinstance(node, ast.Attribute) else ""


def _is_set_type(annotation: ast.expr) -> bool:
    base = annotation.value if isinstance(annotation, ast.Subscript) else annotation
    return isinstance(base, ast.Name) and base.id in (*_MAKERS, "Set", "AbstractSet")


def _is_keys(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "keys"


def _ignores_order(call: ast.Call) -> bool:
    function = call.func
    if not isinstance(function, ast.Name):
        return False
    return function.id in _ANY_ORDER or (function.id in ("min", "max") and not call.keywords)
