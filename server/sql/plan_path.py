"""How one table is read: which index, which key ranges, what remains to be filtered."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from server.catalog.descriptor import Index, IndexKey, Table
from server.sql import tree, types
from server.sql.access import IndexAccess, Place, TableAccess, access
from server.sql.codegen import Emitter, Outer, Unit
from server.sql.exec_scan import Bounds, Feed, IndexFeed, KeyFeed, MakePushed, RangeFeed
from server.sql.implication import FLIPPED, implies
from server.sql.index_parts import TEXTS, canonical, strip_relabels
from server.sql.like_prefix import after_prefix, fixed_prefix
from server.sql.plan_walk import is_volatile, rels_of
from server.sql.resolve import resolve_operator
from server.sql.tree import Expr
from storage import keycode

TABLE_ROWS = 1000.0
"""What a table is taken to hold; there are no statistics."""
_SELECTIVITY = {"=": 0.005, "range": 0.33}
_PARTIAL = 0.1
"""Of the rows, how many a partial index is taken to hold: it is made where they are few."""
FLIP = {op: other for op, other in FLIPPED.items() if op != "<>"}
"""A comparison read from its other side."""
_INTS = {types.INT2, types.INT4, types.INT8}
_FLOATS = {types.FLOAT4, types.FLOAT8}


@dataclass(slots=True)
class Sarg:
    """A condition `place op expression` that an index can serve exactly; `many`: op ANY (array)."""

    place: Place
    type: types.Type
    """Of the place's values."""
    op: str
    expr: Expr
    source: Expr
    many: bool = False


@dataclass(slots=True)
class Path:
    """One way to read a table."""

    rel: int
    table: Table
    access: TableAccess
    index: IndexAccess | None = None
    """None: the table itself in primary-key order."""
    equal: list[Sarg] = field(default_factory=list)
    """For the leading key columns, in order."""
    lower: Sarg | None = None
    upper: Sarg | None = None
    not_null: bool = False
    """The column after the equal ones must not be NULL, and has no other bound."""
    residual: list[Expr] = field(default_factory=list)
    index_only: bool = False
    reverse: bool = False
    rows: float = TABLE_ROWS
    cost: float = 0.0

    @property
    def keys(self) -> Sequence[IndexKey]:
        """The keys of what is scanned."""
        return key_columns(self.table, self.index.index if self.index else None)

    @property
    def places(self) -> Sequence[Place]:
        """What each of `keys` is of."""
        return self.access.key_columns if self.index is None else self.index.places

    @property
    def unique(self) -> bool:
        """Whether the equalities name whole unique keys."""
        if len(self.equal) != len(self.keys) or not self.keys:
            return False
        return self.index is None or self.index.index.unique

    @property
    def single(self) -> bool:
        """At most one row comes."""
        return self.unique and not any(sarg.many for sarg in self.equal)

    @property
    def fixed(self) -> list[Place]:
        """What has one value in all rows."""
        return [sarg.place for sarg in self.equal if not sarg.many]

    def order(self) -> list[tuple[Place, bool, bool]]:
        """(place, descending, nulls first) in which rows come, after the places that are fixed."""
        fixed, found = self.fixed, []
        for key, place in zip(self.keys, self.places):
            if place not in fixed:
                found.append((place, self.reverse, key.nulls_first != self.reverse))
        return found


def key_columns(table: Table, index: Index | None) -> Sequence[IndexKey]:
    """The key columns of an index, or of the table (none: a hidden key)."""
    if index is not None:
        return index.keys
    return table.primary_key.keys if table.primary_key is not None else ()


def comparable(column: types.Type, other: types.Type) -> bool:
    """Whether a value of `other` can be encoded as a key of `column` and compares like that."""
    for family in (_INTS, _FLOATS, TEXTS):
        if column in family:
            return other in family
    return column is other


def place_of(expr: Expr, rel: int, computed: Sequence[Expr] = ()) -> Place | None:
    """The column of `rel` that the expression is, or which of the `computed` keys of its indexes."""
    expr = strip_relabels(expr)
    if type(expr) is tree.Var:
        return expr.column if expr.rel == rel and expr.column >= 0 else None
    if not computed or type(expr) is tree.Const or rel not in rels_of(expr):
        return None
    found = strip_relabels(canonical(expr, rel))
    return found if found in computed else None


def sarg_of(expr: Expr, rel: int, computed: Sequence[Expr] = ()) -> Sarg | None:
    """The condition as one that an index on `rel` may serve; `computed`: keys of its indexes that are no columns."""
    if type(expr) is tree.Call and expr.operator in FLIP and len(expr.args) == 2 and expr.function.strict:
        for (here, there), op in zip((expr.args, expr.args[::-1]), (expr.operator, FLIP[expr.operator])):
            place, kind = place_of(here, rel, computed), strip_relabels(here).type
            if place is not None and _fits(kind, there, rel):
                return Sarg(place, kind, op, there, expr)
    if type(expr) is tree.ArrayOp and not expr.all and expr.operator == "=":
        place, kind, element = (
            place_of(expr.left, rel, computed),
            strip_relabels(expr.left).type,
            expr.right.type.element,
        )
        if place is None or element is None:
            return None
        if comparable(kind, element) and _independent(expr.right, rel):
            return Sarg(place, kind, "=", expr.right, expr, True)
    if expr.type is types.BOOL and (flag := place_of(expr, rel, computed)) is not None:
        return Sarg(flag, types.BOOL, "=", tree.Const(types.BOOL, True), expr)
    if type(expr) is tree.BoolExpr and expr.op == "not":
        flag = place_of(expr.args[0], rel, computed)
        if flag is not None:
            return Sarg(flag, types.BOOL, "=", tree.Const(types.BOOL, False), expr)
    return None


def prefix_sargs(expr: Expr, rel: int, computed: Sequence[Expr] = ()) -> list[Sarg]:
    """The range of an index that a LIKE with a constant pattern, or `^@`, needs; the condition itself remains."""
    if type(expr) is not tree.Call or expr.operator not in ("~~", "^@") or len(expr.args) != 2:
        return []
    column, pattern = strip_relabels(expr.args[0]), expr.args[1]
    place = place_of(column, rel, computed)
    if place is None or column.type not in TEXTS:
        return []
    if type(pattern) is not tree.Const or not isinstance(pattern.value, str):
        return []
    prefix, exact = (pattern.value, False) if expr.operator == "^@" else fixed_prefix(pattern.value)
    above = after_prefix(prefix)
    edges = [("=", prefix)] if exact else [(">=", prefix)] if prefix else []
    if above is not None and not exact:
        edges.append(("<", above))
    found = []
    for op, edge in edges:
        value = tree.Const(types.TEXT, edge)
        function = resolve_operator(op, types.TEXT, types.TEXT)[0].function
        call = tree.Call(types.BOOL, function, (column, value), operator=op)
        found.append(Sarg(place, column.type, op, value, call))
    return found


def _fits(kind: types.Type, there: Expr, rel: int) -> bool:
    return kind.key_kind is not None and comparable(kind, there.type) and _independent(there, rel)


def _independent(expr: Expr, rel: int) -> bool:
    return rel not in rels_of(expr) and not is_volatile(expr)


def paths(rel: tree.TableRel, cluster: int, filters: Sequence[Expr], needed: set[int]) -> list[Path]:
    """Every sensible way to read `rel` under `filters` (a conjunction); the first is the whole table."""
    found = access(rel.table, cluster)
    computed = computed_keys(found)
    sargs = [sarg for expr in filters if (sarg := sarg_of(expr, rel.id, computed)) is not None]
    for expr in filters:
        sargs += prefix_sargs(expr, rel.id, computed)
    clauses: list[Expr] | None = None
    made = [_path(rel, found, None, filters, sargs)]
    for index in found.indexes:
        if index.index.state != "valid":
            continue
        path = _path(rel, found, index, filters, sargs)
        if index.predicate is not None:
            if clauses is None:
                clauses = [canonical(expr, rel.id) for expr in filters]
            if not implies(clauses, index.predicate):
                continue
            _drop_proved(path, index.predicate)
        path.index_only = needed <= stored_columns(index.index).keys()
        made.append(path)
    for path in made:
        _estimate(path, len(filters))
    return made


def stored_columns(index: Index) -> dict[int, int]:
    """The table's columns, from 0, whose values an entry has, and where in its array (server.sql.access).

    What a key's expression computes is no column.
    """
    places: dict[int, int] = {}
    for place, attnum in enumerate([*(key.column for key in index.keys), *index.include], 1):
        if attnum > 0:
            places.setdefault(attnum - 1, place)
    return places


def computed_keys(found: TableAccess) -> list[Expr]:
    """What indexes of the table have as keys that is no column."""
    return [
        place
        for index in found.indexes
        if index.index.state == "valid"
        for place in index.places
        if not isinstance(place, int)
    ]


def _drop_proved(path: Path, predicate: Expr) -> None:
    """Conditions that hold of every row of a partial index need not be asked again."""
    path.residual = [
        expr
        for expr in path.residual
        if is_volatile(expr) or not implies([predicate], canonical(expr, path.rel))
    ]


def _path(
    rel: tree.TableRel,
    found: TableAccess,
    index: IndexAccess | None,
    filters: Sequence[Expr],
    sargs: Sequence[Sarg],
) -> Path:
    path = Path(rel.id, rel.table, found, index)
    used: list[Expr] = []
    computed = [place for place in path.places if not isinstance(place, int)]
    for place in path.places:
        here = [sarg for sarg in sargs if sarg.place == place]
        equal = next((s for s in here if s.op == "=" and not s.many), None) or next(
            (s for s in here if s.op == "="), None
        )
        if equal is not None:
            path.equal.append(equal)
            used.append(equal.source)
            continue
        path.lower = next((sarg for sarg in here if sarg.op in (">", ">=")), None)
        path.upper = next((sarg for sarg in here if sarg.op in ("<", "<=")), None)
        used += [sarg.source for sarg in (path.lower, path.upper) if sarg is not None]
        if path.lower is None and path.upper is None:
            path.not_null = any(_is_not_null(expr, rel.id, place, computed) for expr in filters)
        break
    path.residual = [expr for expr in filters if not any(expr is other for other in used)]
    return path


def _is_not_null(expr: Expr, rel: int, place: Place, computed: Sequence[Expr]) -> bool:
    if type(expr) is not tree.NullTest or not expr.negated or expr.row:
        return False
    return place_of(expr.arg, rel, computed) == place


def _estimate(path: Path, filters: int) -> None:
    rows = TABLE_ROWS
    if path.index is not None and path.index.predicate is not None:
        rows *= _PARTIAL
    if path.unique:
        rows = 10.0 if not path.single else 1.0
    else:
        for sarg in path.equal:
            rows *= 0.05 if sarg.many else _SELECTIVITY["="]
        rows *= 0.33 ** sum(1 for sarg in (path.lower, path.upper) if sarg is not None)
    rows = max(rows, 1.0)
    lookup = path.index is not None and not path.index_only
    path.cost = rows * (4.0 if lookup else 1.0) + (1.0 if path.index is None else 1.5)
    path.rows = max(rows * 0.33 ** min(len(path.residual), 3), 1.0)


# --- key ranges as generated code ------------------------------------------------------------------------


def bounds(path: Path, outer: Outer | None) -> Bounds:
    """(ctx) -> the key ranges to read, in key order, disjoint; for unique keys each `lo` is the whole key."""
    unit = Unit()
    emitter = Emitter(unit, {}, outer)
    holder: Any = path.index or path.access
    low, prefix, after = unit.bind(holder.lo), unit.bind(holder.key_prefix), unit.bind(keycode.successor)
    if not path.equal and path.lower is None and path.upper is None and not path.not_null:
        whole = [(holder.lo, holder.hi)]
        return lambda c: whole
    lines: list[str] = []
    names: list[str] = []
    loops = 0
    for number, sarg in enumerate(path.equal):
        name = f"a{number}"
        names.append(name)
        lines += _operand(path, sarg, name, emitter, loops)
        loops += sarg.many
    if loops == 0:
        lines += _ends(path, names, emitter, prefix, after, low)
        lines.append("return [(lo, hi)] if lo < hi else []")
        return unit.finish("c", lines)
    inner = _ends(path, names, emitter, prefix, after, low)
    pad = "    " * loops
    head = ["found = []"]
    body = [
        pad + line.replace("return []", "continue") for line in [*inner, "if lo < hi: found.append((lo, hi))"]
    ]
    return unit.finish("c", [*head, *lines, *body, "found.sort()", "return found"])


def _operand(path: Path, sarg: Sarg, name: str, emitter: Emitter, loops: int) -> list[str]:
    """Lines that put the operand's key value into `name`, or return."""
    pad = "    " * loops
    code = emitter.value(sarg.expr)
    kind = sarg.type
    convert = ""
    if kind.sort_key is not None and kind.key_kind == "text":
        convert = emitter.unit.bind(kind.sort_key)
    if sarg.many:
        distinct = emitter.unit.bind(_distinct)
        return [f"{pad}for {name} in {distinct}({code.src}, {convert or 'None'}):"]
    stop = "return []" if loops == 0 else "continue"
    lines = [f"{pad}{name} = {code.src}"]
    if code.nullable:
        lines.append(f"{pad}if {name} is None: {stop}")
    if convert:
        lines.append(f"{pad}{name} = {convert}({name})")
    return lines


def _distinct(array: Any, convert: Any) -> list[Any]:
    if array is None:
        return []
    seen: dict[Any, None] = {}
    for element in array.elements:
        if element is not None:
            seen[convert(element) if convert is not None else element] = None
    return list(seen)


def _ends(path: Path, names: list[str], emitter: Emitter, prefix: str, after: str, low: str) -> list[str]:
    """Lines that compute `lo` and `hi` once the equal columns are in `names`."""
    joined = "".join(name + ", " for name in names)
    lines = [f"base = {prefix}(({joined}))" if names else f"base = {low}"]
    if path.lower is None and path.upper is None and not path.not_null:
        return [*lines, "lo = base", f"hi = {after}(base)"]
    key = path.keys[len(names)]
    null = f"{prefix}(({joined}None, ))"
    if path.lower is not None:
        lines += _operand(path, path.lower, "b", emitter, 0)
        edge = f"{prefix}(({joined}b, ))"
        lines.append(f"lo = {edge}" if path.lower.op == ">=" else f"lo = {after}({edge})")
    else:
        lines.append(f"lo = {after}({null})" if key.nulls_first else "lo = base")
    if path.upper is not None:
        lines += _operand(path, path.upper, "d", emitter, 0)
        edge = f"{prefix}(({joined}d, ))"
        lines.append(f"hi = {edge}" if path.upper.op == "<" else f"hi = {after}({edge})")
    else:
        nullable = path.index is not None and not key.nulls_first
        lines.append(f"hi = {null}" if nullable else f"hi = {after}(base)")
    return lines


def feed(path: Path, outer: Outer | None, keyed: bool, make_pushed: MakePushed | None = None) -> Feed:
    """The feed that reads a path; `keyed` feeds give the table's row keys too.

    `make_pushed`: what goes along where the path is a range of what is wanted: of rows, or of entries that have it all.
    """
    ranges = bounds(path, outer)
    if path.index is None and not path.unique:
        return RangeFeed(ranges, keyed, path.reverse, make_pushed)
    if path.index is None:
        return KeyFeed(ranges, keyed, path.reverse)
    if not path.unique:
        entries: Feed = RangeFeed(
            ranges, False, path.reverse, make_pushed if path.index_only and not keyed else None
        )
    else:
        entries = KeyFeed(ranges, False, path.reverse)
    if path.index_only and not keyed:
        return entries
    return IndexFeed(entries, path.access.lo, keyed)
