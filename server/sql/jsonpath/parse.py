"""From the text of a jsonpath to its tree (PostgreSQL, chapter 9.16.2), with PostgreSQL's errors at its places."""

from functools import lru_cache

from server.errors import PgError
from server.sql import numeric
from server.sql.env import Env
from server.sql.jsonpath.lexer import Lexer, Token, syntax_error
from server.sql.jsonpath.tree import COMPARISONS, LAST_LEVEL, METHODS, Item, JsonPath, Steps
from server.sql.regex import compiled
from server.sql.type_io import bad_syntax
from server.sql.type_scalar import int_input

_KEYS = frozenset(
    (
        *(
            "ident",
            "string",
            "to",
            "null",
            "true",
            "false",
            "is",
            "unknown",
            "exists",
            "strict",
            "lax",
            "last",
        ),
        *("starts", "with", "like_regex", "flag", "datetime", *METHODS),
    )
)
_LITERALS = {"null": ("null", None), "true": ("boolean", True), "false": ("boolean", False)}
_HEADS = {"$": "root", "@": "current", "last": "last"}
_ACCESSORS = (".", "[", "?")
_level = int_input("integer", 2**31)
_env = Env()

EXPRESSION, PREDICATE, EITHER = "expression", "predicate", "either"
"""What may stand at a place."""


class _Parser:
    """Recursive descent; the next token is read when it decides something, so errors come in PostgreSQL's order."""

    def __init__(self, text: str) -> None:
        self.lexer = Lexer(text)
        self._ahead: Token | None = None

    def path(self) -> JsonPath | None:
        """The whole path; None when there is nothing."""
        lax = True
        if self.peek() in ("strict", "lax"):
            lax = self.take().kind == "lax"
        elif self.peek() == "end":
            return None
        steps, _ = self.disjunction(EITHER)
        self.expect("end")
        return JsonPath(steps, lax)

    # --- tokens ---

    def _token(self) -> Token:
        if self._ahead is None:
            self._ahead = self.lexer.next()
        return self._ahead

    def peek(self) -> str:
        """The kind of the next token."""
        return self._token().kind

    def take(self) -> Token:
        """The next token."""
        token = self._token()
        self._ahead = None
        return token

    def expect(self, kind: str) -> Token:
        """The next token, which has to be of that kind."""
        if self.peek() != kind:
            raise self.unexpected()
        return self.take()

    def unexpected(self) -> PgError:
        """42601 at the next token."""
        return syntax_error("syntax error", self._token().shown)

    # --- predicates ---

    def disjunction(self, place: str) -> tuple[Steps, bool]:
        """An expression or predicate, and whether it is a predicate."""
        left, is_predicate = self._conjunction(place)
        while is_predicate and self.peek() == "||":
            self.take()
            left = (Item("||", None, (left, self._conjunction(PREDICATE)[0])),)
        return left, is_predicate

    def _conjunction(self, place: str) -> tuple[Steps, bool]:
        left, is_predicate = self._condition(place)
        while is_predicate and self.peek() == "&&":
            self.take()
            left = (Item("&&", None, (left, self._condition(PREDICATE)[0])),)
        return left, is_predicate

    def _condition(self, place: str) -> tuple[Steps, bool]:
        if place != EXPRESSION and self.peek() == "!":
            self.take()
            return (Item("not", None, (self._delimited(),)),), True
        if place != EXPRESSION and self.peek() == "exists":
            return self._delimited(), True
        left, is_predicate = self._sum(place)
        if is_predicate or place == EXPRESSION:
            return left, is_predicate
        word = self.peek()
        if word in COMPARISONS:
            self.take()
            return (Item(word, None, (left, self.expression())),), True
        if word == "starts":
            return (self._starts_with(left),), True
        if word == "like_regex":
            return (self._like_regex(left),), True
        if place == PREDICATE:
            raise self.unexpected()
        return left, False

    def _delimited(self) -> Steps:
        """`(predicate)` or `exists (expression)`."""
        if self.peek() == "exists":
            self.take()
            self.expect("(")
            inner = self.expression()
            self.expect(")")
            return (Item("exists", None, (inner,)),)
        self.expect("(")
        inner, _ = self.disjunction(PREDICATE)
        self.expect(")")
        return inner

    def _starts_with(self, left: Steps) -> Item:
        self.take()
        self.expect("with")
        if self.peek() not in ("string", "variable"):
            raise self.unexpected()
        initial = self.take()
        return Item("starts with", None, (left, (Item(initial.kind, initial.value),)))

    def _like_regex(self, left: Steps) -> Item:
        self.take()
        pattern = self.expect("string").value
        flags = ""
        if self.peek() == "flag":
            self.take()
            flags = self.expect("string").value
        for letter in flags:
            if letter not in "ismxq":
                detail = f'Unrecognized flag character "{letter}" in LIKE_REGEX predicate.'
                raise PgError("42601", "invalid input syntax for type jsonpath", detail=detail)
        compiled(pattern, regex_options(flags))
        return Item("like_regex", (pattern, flags), (left,))

    # --- expressions ---

    def expression(self) -> Steps:
        """An expression that is no predicate."""
        return self._sum(EXPRESSION)[0]

    def _sum(self, place: str) -> tuple[Steps, bool]:
        left, is_predicate = self._product(place)
        while not is_predicate and self.peek() in ("+", "-"):
            op = self.take().kind
            left = (Item(op, None, (left, self._product(EXPRESSION)[0])),)
        return left, is_predicate

    def _product(self, place: str) -> tuple[Steps, bool]:
        left, is_predicate = self._unary(place)
        while not is_predicate and self.peek() in ("*", "/", "%"):
            op = self.take().kind
            left = (Item(op, None, (left, self._unary(EXPRESSION)[0])),)
        return left, is_predicate

    def _unary(self, place: str) -> tuple[Steps, bool]:
        signs = []
        while self.peek() in ("+", "-"):
            signs.append(self.take().kind)
            place = EXPRESSION
        made, is_predicate = self._accessed(place)
        for sign in reversed(signs):
            if len(made) == 1 and made[0].op == "numeric":
                value = made[0].value
                made = (Item("numeric", -value if sign == "-" and value else value),)
            else:
                made = (Item("positive" if sign == "+" else "negative", None, (made,)),)
        return made, is_predicate

    def _accessed(self, place: str) -> tuple[Steps, bool]:
        """Something in parentheses or a primary, with its accessors."""
        if self.peek() == "(":
            self.take()
            made, is_predicate = self.disjunction(EITHER)
            self.expect(")")
            if is_predicate and self.peek() not in _ACCESSORS:
                return self._in_parentheses(made, place), True
        else:
            made = (self._primary(),)
        items = list(made)
        while self.peek() in _ACCESSORS:
            items.append(self._accessor(self.take().kind))
        return tuple(items), False

    def _in_parentheses(self, predicate: Steps, place: str) -> Steps:
        if place == EXPRESSION:
            raise self.unexpected()
        if self.peek() != "is":
            return predicate
        self.take()
        self.expect("unknown")
        return (Item("unknown", None, (predicate,)),)

    def _primary(self) -> Item:
        kind = self.peek()
        if kind in _HEADS:
            self.take()
            return Item(_HEADS[kind])
        if kind in _LITERALS:
            self.take()
            return Item(*_LITERALS[kind])
        if kind in ("string", "variable"):
            return Item(kind, self.take().value)
        if kind in ("numeric", "int"):
            return Item("numeric", numeric.parse(self.take().value))
        raise self.unexpected()

    # --- accessors ---

    def _accessor(self, kind: str) -> Item:
        if kind == "[":
            return self._subscripts()
        if kind == "?":
            self.expect("(")
            condition, _ = self.disjunction(PREDICATE)
            self.expect(")")
            return Item("filter", None, (condition,))
        word = self.peek()
        if word == "*":
            self.take()
            return Item("anykey")
        if word == "**":
            self.take()
            return self._any()
        if word not in _KEYS:
            raise self.unexpected()
        name = self.take().value
        if word in METHODS and self.peek() == "(":
            self.take()
            self.expect(")")
            return Item(word)
        if word == "datetime" and self.peek() == "(":
            return self._datetime()
        return Item("key", name)

    def _datetime(self) -> Item:
        self.take()
        args: tuple[Steps, ...] = ()
        if self.peek() == "string":
            args = ((Item("string", self.take().value),),)
        self.expect(")")
        return Item("datetime", None, args)

    def _subscripts(self) -> Item:
        if self.peek() == "*":
            self.take()
            self.expect("]")
            return Item("anyarray")
        args: list[Steps] = []
        while True:
            args.append(self.expression())
            if self.peek() == "to":
                self.take()
                args.append(self.expression())
            else:
                args.append(())
            if self.peek() != ",":
                self.expect("]")
                return Item("subscripts", None, tuple(args))
            self.take()

    def _any(self) -> Item:
        if self.peek() != "{":
            return Item("any", (0, LAST_LEVEL))
        self.take()
        first = last = self._any_level()
        if self.peek() == "to":
            self.take()
            last = self._any_level()
        self.expect("}")
        return Item("any", (first, last))

    def _any_level(self) -> int:
        if self.peek() == "last":
            self.take()
            return LAST_LEVEL
        return int(_level(self.expect("int").value, -1, _env))


def regex_options(flags: str) -> str:
    """Option letters of our regular expressions for XQuery's flags of like_regex (chapter 9.16.2.3); 0A000 for x."""
    letters = "i" if "i" in flags else ""
    if "q" in flags:
        return letters + "q"
    if "x" in flags:
        raise PgError("0A000", 'XQuery "x" flag (expanded regular expressions) is not implemented')
    whole, lines = "s" in flags, "m" in flags
    return letters + ("ws"[not lines] if whole else "np"[not lines])


def _check(steps: Steps, in_filter: bool, in_subscript: bool) -> None:
    """42601 for @ outside of filters and `last` outside of subscripts."""
    for item in steps:
        if item.op == "current" and not in_filter:
            raise PgError("42601", "@ is not allowed in root expressions")
        if item.op == "last" and not in_subscript:
            raise PgError("42601", "LAST is allowed only in array subscripts")
        for arg in item.args:
            _check(arg, in_filter or item.op == "filter", in_subscript or item.op == "subscripts")


def parse(text: str) -> JsonPath:
    """The path of that text. Raises 22P02, 42601, 22P05, 2201B, 22003, 0A000, 54000, 54001."""
    return _remembered(text) if len(text) <= _REMEMBERED else _parse(text)


def _parse(text: str) -> JsonPath:
    try:
        path = _Parser(text).path()
        if path is None:
            raise bad_syntax("jsonpath", text)
        _check(path.steps, False, False)
    except RecursionError:
        raise PgError("54001", "stack depth limit exceeded") from None
    return path


_REMEMBERED = 1_000
"""Longest text of a path that is kept for the next time."""
_remembered = lru_cache(maxsize=256)(_parse)
