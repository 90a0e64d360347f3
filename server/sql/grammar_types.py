"""Type names (gram.y: Typename, SimpleTypename and the keyword forms; manual, chapter 8)."""

from server.sql.ast import Expr, Literal, Names, TypeName
from server.sql.grammar_base import FUNCTION_NAMES, Cursor

_SIMPLE = {
    "int": "int4",
    "integer": "int4",
    "smallint": "int2",
    "bigint": "int8",
    "real": "float4",
    "boolean": "bool",
}
_WITH_MODIFIERS = frozenset({"decimal", "dec", "numeric"})
_CHARACTERS = frozenset({"character", "char", "varchar", "national", "nchar"})
_TIMES = frozenset({"time", "timestamp"})
TYPE_KEYWORDS = (
    frozenset(_SIMPLE) | _WITH_MODIFIERS | _CHARACTERS | _TIMES | {"float", "double", "bit", "interval"}
)
"""Keywords that begin a type and no function."""
_FIELDS = {
    "year": ("month",),
    "month": (),
    "day": ("hour", "minute", "second"),
    "hour": ("minute", "second"),
    "minute": ("second",),
    "second": (),
}


def _system(name: str) -> Names:
    return ("pg_catalog", name)


class Types(Cursor):
    """Rules for types; `type_name` is the entry."""

    def type_name(self, setof: bool = True) -> TypeName:
        """Typename. Raises PgError 42601."""
        at = self.at
        is_set = setof and self.accept("setof")
        base = self.simple_type()
        bounds: list[int] = []
        if self.accept("array"):
            bounds.append(-1)
            if self.accept("["):
                bounds[0] = self.integer()
                self.expect("]")
        else:
            while self.accept("["):
                bounds.append(-1 if self.kind == "]" else self.integer())
                self.expect("]")
        if not (bounds or is_set):
            return base
        return TypeName(base.names, base.modifiers, tuple(bounds), is_set, base.interval_fields, at)

    def simple_type(self) -> TypeName:
        """SimpleTypename."""
        kind = self.kind
        if kind in TYPE_KEYWORDS and (kind != "double" or self.peek() == "precision"):
            return self.keyword_type()
        at = self.at
        if kind not in FUNCTION_NAMES:
            raise self.fail()
        names = [self.function_name()]
        while self.accept("."):
            names.append(self.label())
        return TypeName(tuple(names), self.type_modifiers(), at=at)

    def keyword_type(self, constant: bool = False) -> TypeName:
        """A type that begins with a keyword; `constant`: before a literal, where char has no length."""
        at, kind = self.at, self.kind
        self.index += 1
        if kind in _SIMPLE:
            return TypeName(_system(_SIMPLE[kind]), at=at)
        if kind in _WITH_MODIFIERS:
            return TypeName(_system("numeric"), self.type_modifiers(), at=at)
        if kind == "float":
            return TypeName(_system(self._float_name()), at=at)
        if kind == "double":
            self.expect("precision")
            return TypeName(_system("float8"), at=at)
        if kind == "bit":
            return self._bit(at, constant)
        if kind in _CHARACTERS:
            return self._character(kind, at, constant)
        if kind in _TIMES:
            return self._time(kind, at)
        return self._interval(at, constant)

    def type_modifiers(self) -> tuple[Expr, ...]:
        """opt_type_modifiers: any expressions by the grammar."""
        if not self.accept("("):
            return ()
        self.constants_only += 1
        modifiers = self.comma_list(self.expression)
        self.constants_only -= 1
        self.expect(")")
        return modifiers

    def _float_name(self) -> str:
        if not self.accept("("):
            return "float8"
        at = self.at
        precision = self.integer()
        self.expect(")")
        if precision < 1:
            raise self.refuse("precision for type float must be at least 1 bit", at, "22023")
        if precision > 53:
            raise self.refuse("precision for type float must be less than 54 bits", at, "22023")
        return "float4" if precision <= 24 else "float8"

    def _bit(self, at: int, constant: bool) -> TypeName:
        name = "varbit" if self.accept("varying") else "bit"
        if self.kind == "(":
            return TypeName(_system(name), self.type_modifiers(), at=at)
        if name == "bit" and not constant:
            return TypeName(_system("bit"), (Literal("integer", "1"),), at=at)
        return TypeName(_system(name), at=at)

    def _character(self, kind: str, at: int, constant: bool) -> TypeName:
        if kind == "national":
            self.expect_any(("character", "char"))
        varying = kind == "varchar" or self.accept("varying")
        name = "varchar" if varying else "bpchar"
        if self.accept("("):
            where = self.at
            length = self.integer()
            self.expect(")")
            return TypeName(_system(name), (Literal("integer", str(length), where),), at=at)
        if varying or constant:
            return TypeName(_system(name), at=at)
        return TypeName(_system("bpchar"), (Literal("integer", "1"),), at=at)

    def precision(self) -> tuple[Expr, ...]:
        """An optional `(n)`."""
        if not self.accept("("):
            return ()
        where = self.at
        value = self.integer()
        self.expect(")")
        return (Literal("integer", str(value), where),)

    def _time(self, kind: str, at: int) -> TypeName:
        precision = self.precision()
        zone = False
        if self.accept("with_la"):
            self.expect("time", "zone")
            zone = True
        elif self.accept("without_la"):
            self.expect("time", "zone")
        return TypeName(_system(kind + "tz" if zone else kind), precision, at=at)

    def _interval(self, at: int, constant: bool) -> TypeName:
        if self.kind == "(":
            precision = self.precision()
            return TypeName(_system("interval"), precision, at=at)
        if constant:
            return TypeName(_system("interval"), at=at)
        fields, precision = self.interval_fields()
        return TypeName(_system("interval"), precision, interval_fields=fields, at=at)

    def interval_fields(self) -> tuple[str | None, tuple[Expr, ...]]:
        """opt_interval: the fields in words, and the precision of seconds."""
        first = self.accept_any(tuple(_FIELDS))
        if first is None:
            return None, ()
        words, last = first, first
        if _FIELDS[first] and self.accept("to"):
            last = self.expect_any(_FIELDS[first])
            words = f"{first} to {last}"
        return words, self.precision() if last == "second" else ()
