"""The token cursor of the grammar, names by keyword class, and the lists that every statement uses."""

from collections.abc import Callable
from typing import TypeVar

from server.errors import PgError
from server.sql.ast import Expr, Literal, Names, Query, SortBy, TypeName, WindowDef
from server.sql.keywords import COL_NAME, KEYWORDS, RESERVED, TYPE_FUNC_NAME, UNRESERVED
from server.sql.lexer import FCONST, ICONST, IDENT, SCONST, Tokens

T = TypeVar("T")

COLUMN_NAMES = UNRESERVED | COL_NAME | {IDENT}
"""ColId: what may name a column, a table, an alias."""
FUNCTION_NAMES = UNRESERVED | TYPE_FUNC_NAME | {IDENT}
"""type_function_name."""
ANY_NAMES = KEYWORDS | {IDENT}
"""ColLabel: what may follow AS or a dot."""
NON_RESERVED = (KEYWORDS - RESERVED) | {IDENT}
"""NonReservedWord."""


class NotLiftable(Exception):
    """A lifted literal stands where the grammar or the binder needs the constant itself (DESIGN §11)."""


class Cursor:
    """One position in the tokens; every rule consumes what it matches and raises 42601 at what it cannot.

    PostgreSQL's LALR parser reports the first token that cannot continue any statement. The rules here never
    consume a token that could not, so the token at which they stop is the same.
    """

    def __init__(self, tokens: Tokens) -> None:
        self.tokens = tokens
        self.kinds = tokens.kinds
        self.values = tokens.values
        self.starts = tokens.starts
        self.index = 0
        self.lift_from = -1
        """The highest `$n` of the client when literals are lifted, else -1."""
        self.lifted: list[int] = []
        """Token indexes of the literals that became parameters."""
        self.constants_only = 0
        """Above zero: inside a clause where a literal must not be lifted."""
        self.highest_parameter = 0
        self.deferred: PgError | None = None
        """The first error that PostgreSQL finds only after it has read the whole text."""
        self.label_at = -1
        """The index of an operator's word that turned out to be an output column's name."""

    # --- tokens

    @property
    def kind(self) -> str:
        return self.kinds[self.index]

    @property
    def at(self) -> int:
        """The offset of the current token."""
        return self.starts[self.index]

    def peek(self, distance: int = 1) -> str:
        """The kind of a token at most three further on; END when there are no more."""
        return self.kinds[self.index + distance]

    def fail(self, index: int | None = None) -> PgError:
        """`syntax error at or near` the current token, or an earlier one."""
        return self.tokens.near(self.index if index is None else index)

    def defer(self, error: PgError) -> None:
        """Raise this once all of the text has been read without a syntax error."""
        self.deferred = self.deferred or error

    def refuse(self, message: str, at: int, sqlstate: str = "42601") -> PgError:
        """An error that PostgreSQL's grammar raises itself; `at` is an offset, -1 for none."""
        return PgError(sqlstate, message, position=at + 1 if at >= 0 else None)

    def accept(self, *kinds: str) -> bool:
        """Consume the sequence when all of it is next."""
        index = self.index
        if self.kinds[index] != kinds[0]:
            return False
        if len(kinds) > 1 and tuple(self.kinds[index : index + len(kinds)]) != kinds:
            return False
        self.index = index + len(kinds)
        return True

    def expect(self, *kinds: str) -> None:
        """Consume the sequence, or raise at its first token that is not there."""
        for kind in kinds:
            if self.kinds[self.index] != kind:
                raise self.fail()
            self.index += 1

    def accept_any(self, choices: frozenset[str] | tuple[str, ...]) -> str | None:
        """Consume one of these kinds; which."""
        kind = self.kinds[self.index]
        if kind in choices:
            self.index += 1
            return kind
        return None

    def expect_any(self, choices: frozenset[str] | tuple[str, ...]) -> str:
        kind = self.accept_any(choices)
        if kind is None:
            raise self.fail()
        return kind

    def is_word(self, word: str, distance: int = 0) -> bool:
        """True when the token is this word, although it is no keyword of PostgreSQL."""
        index = self.index + distance
        return self.kinds[index] == IDENT and self._written(index) == word

    def accept_word(self, word: str) -> bool:
        if self.is_word(word):
            self.index += 1
            return True
        return False

    def _written(self, index: int) -> str:
        """A word as it stands in the text, folded; a quoted name never equals a word."""
        return self.tokens.sql[self.starts[index] : self.tokens.ends[index]].lower()

    def slice(self, first: int) -> str:
        """The source text from token `first` to the last one consumed."""
        return self.tokens.sql[self.starts[first] : self.tokens.ends[self.index - 1]]

    # --- names

    def _name(self, allowed: frozenset[str]) -> str:
        index = self.index
        if self.kinds[index] not in allowed:
            raise self.fail()
        self.index = index + 1
        return self.values[index]

    def column_name(self) -> str:
        """ColId."""
        index = self.index
        if self.kinds[index] not in COLUMN_NAMES:
            raise self.fail()
        self.index = index + 1
        return self.values[index]

    def function_name(self) -> str:
        """type_function_name."""
        return self._name(FUNCTION_NAMES)

    def label(self) -> str:
        """ColLabel."""
        return self._name(ANY_NAMES)

    def non_reserved(self) -> str:
        """NonReservedWord."""
        return self._name(NON_RESERVED)

    def any_name(self) -> Names:
        """any_name: ColId with attributes."""
        names = [self.column_name()]
        while self.accept("."):
            names.append(self.label())
        return tuple(names)

    def dotted_name(self) -> Names:
        """ColId indirection: subscripts and stars are read, as PostgreSQL does, and then refused."""
        names = [self.column_name()]
        plain = True
        while self.kind in (".", "["):
            if self.kind == "[":
                self.subscript(Literal("null", ""))
                plain = False
                continue
            self.index += 1
            if self.accept("*"):
                plain = False
            else:
                names.append(self.label())
        if not plain:
            raise self.fail()
        return tuple(names)

    def qualified_name(self) -> Names:
        """qualified_name: at most catalog.schema.relation."""
        at = self.at
        names = self.dotted_name()
        if len(names) > 3:
            shown = ".".join(names)
            raise self.refuse(f"improper qualified name (too many dotted names): {shown}", at)
        return names

    def role(self) -> str:
        """RoleSpec: a role's name; CURRENT_USER, SESSION_USER and CURRENT_ROLE stay words, public too."""
        if self.kind in ("current_user", "session_user", "current_role"):
            self.index += 1
            return self.values[self.index - 1]
        at = self.at
        name = self.non_reserved()
        if name == "none":
            raise self.refuse('role name "none" is reserved', at, "42939")
        return name

    def role_id(self) -> str:
        """RoleId: a role spec that must be a plain name."""
        at = self.at
        kind = self.kind
        name = self.role()
        if name == "public":
            raise self.refuse('role name "public" is reserved', at, "42939")
        if kind in ("current_user", "session_user", "current_role"):
            raise self.refuse(f"{kind.upper()} cannot be used as a role name here", at, "42939")
        return name

    # --- constants

    def string(self) -> str:
        """Sconst."""
        if self.kind != SCONST:
            raise self.fail()
        self.index += 1
        return self.values[self.index - 1]

    def integer(self) -> int:
        """Iconst: an unsigned int4."""
        if self.kind != ICONST:
            raise self.fail()
        self.index += 1
        return int(self.values[self.index - 1])

    def signed_integer(self) -> int:
        """SignedIconst."""
        if self.accept("-"):
            return -self.integer()
        self.accept("+")
        return self.integer()

    def number(self) -> str:
        """NumericOnly, as text."""
        sign = "-" if self.accept("-") else ""
        if not sign:
            self.accept("+")
        self.expect_any((ICONST, FCONST))
        return sign + self.values[self.index - 1]

    # --- lists

    def comma_list(self, item: Callable[[], T]) -> tuple[T, ...]:
        """One or more items between commas."""
        items = [item()]
        while self.kinds[self.index] == ",":
            self.index += 1
            items.append(item())
        return tuple(items)

    def in_parens(self, item: Callable[[], T]) -> tuple[T, ...]:
        """`(item, ...)`."""
        self.expect("(")
        items = self.comma_list(item)
        self.expect(")")
        return items

    def name_list_in_parens(self) -> Names:
        return self.in_parens(self.column_name)

    def cascade(self) -> bool:
        """opt_drop_behavior."""
        if self.accept("cascade"):
            return True
        self.accept("restrict")
        return False

    def if_exists(self) -> bool:
        """IF EXISTS; IF alone is a name."""
        return self.accept("if", "exists")

    def if_not_exists(self) -> bool:
        """IF NOT EXISTS; IF alone is a name."""
        if self.accept("if", "not"):
            self.expect("exists")
            return True
        return False

    # --- what later classes provide

    def expression(self, floor: int = 0) -> Expr:
        """a_expr."""
        raise NotImplementedError

    def expression_from(self, left: Expr, floor: int = 0) -> Expr:
        """a_expr whose first operand was read."""
        raise NotImplementedError

    def restricted_expression(self) -> Expr:
        """b_expr."""
        raise NotImplementedError

    def primary(self, restricted: bool = False) -> Expr:
        """c_expr."""
        raise NotImplementedError

    def subscript(self, value: Expr) -> Expr:
        """`[...]` after a value."""
        raise NotImplementedError

    def query(self) -> Query:
        """select_no_parens."""
        raise NotImplementedError

    def query_from(self, left: Query) -> Query:
        """select_no_parens whose first operand, in parentheses, was read."""
        raise NotImplementedError

    def order_by(self) -> tuple[SortBy, ...]:
        """opt_sort_clause."""
        raise NotImplementedError

    def window_specification(self) -> WindowDef:
        """The parenthesised window_specification."""
        raise NotImplementedError

    def type_name(self, setof: bool = True) -> TypeName:
        """Typename."""
        raise NotImplementedError

    def query_in_parens(self) -> Query:
        """select_with_parens."""
        raise NotImplementedError
