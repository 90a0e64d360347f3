"""Query strings to typed statements; stored expressions; statements with lifted literals."""

from collections.abc import Callable

from server.errors import PgError
from server.sql import ast
from server.sql.ast import ParsedStatement, Statement
from server.sql.grammar_base import NotLiftable as NotLiftable
from server.sql.grammar_refused import STATEMENTS, Refused
from server.sql.lexer import END, FCONST, ICONST, PARAM, SCONST, lex
from server.sql.scanner import Lifted

_LITERALS = frozenset({ICONST, FCONST, SCONST})


class Parser(Refused):
    """All statements; `statements` is the entry."""

    def statements(self) -> list[ParsedStatement]:
        """stmtmulti: the statements between semicolons, without the empty ones."""
        found: list[ParsedStatement] = []
        while True:
            while self.accept(";"):
                pass
            if self.kind == END:
                if self.deferred is not None:
                    raise self.deferred
                return found
            first = self.index
            self.highest_parameter = 0
            statement = self.statement()
            if self.kind not in (";", END):
                raise self.fail()
            found.append(
                ParsedStatement(statement, self.slice(first), self.starts[first], self.highest_parameter)
            )

    def statement(self) -> Statement:
        """stmt."""
        rule = _STATEMENTS.get(self.kind)
        if rule is None:
            if self.is_iam():
                return self.iam_grant()
            raise self.fail()
        return rule(self)


_STATEMENTS: dict[str, Callable[[Parser], Statement]] = {
    **dict.fromkeys(STATEMENTS, Parser.refused),
    **dict.fromkeys(
        ("select", "values", "table", "(", "with", "with_la", "insert", "update", "delete", "merge"),
        Parser.preparable_statement,
    ),
    **dict.fromkeys(
        ("begin", "start", "commit", "end", "rollback", "abort", "savepoint", "release"), Parser.transaction
    ),
    "set": Parser.set_statement,
    "reset": Parser.reset,
    "show": Parser.show,
    "explain": Parser.explain,
    "analyze": Parser.analyze,
    "analyse": Parser.analyze,
    "call": Parser.call_statement,
    "deallocate": Parser.deallocate,
    "copy": Parser.copy,
    "create": Parser.create,
    "alter": Parser.alter,
    "drop": Parser.drop,
    "comment": Parser.comment,
    "grant": Parser.grant_statement,
    "revoke": Parser.grant_statement,
    "prepare": Parser.prepare,
}


def _too_deep() -> PgError:
    return PgError("54001", "stack depth limit exceeded")


def parse(sql: str) -> list[ParsedStatement]:
    """The statements of a query string, in order.

    Raises PgError 42601 with PostgreSQL's text and position, 54001 when the text nests too deep.
    """
    try:
        return Parser(lex(sql)).statements()
    except RecursionError:
        raise _too_deep() from None


def parse_lifted(lifted: Lifted) -> ParsedStatement:
    """The statement with a lifted ParamRef for each literal, numbered on from the client's highest `$n`.

    `parameters` counts the client's own only. Raises NotLiftable when a literal stands where grammar or
    binder need the constant itself (type modifiers, `type 'literal'`, GROUP BY, ORDER BY, DISTINCT ON), else
    PgError as `parse` does.
    """
    tokens = lex(lifted.sql)
    count = sum(kind in _LITERALS for kind in tokens.kinds)
    if count != len(lifted.literals):
        raise NotLiftable
    parser = Parser(tokens)
    numbers = (int(value) for kind, value in zip(tokens.kinds, tokens.values) if kind == PARAM)
    parser.lift_from = max(numbers, default=0)
    try:
        statements = parser.statements()
    except RecursionError:
        raise _too_deep() from None
    if len(statements) != 1 or len(parser.lifted) != count:
        raise NotLiftable
    return statements[0]


def parse_expression(text: str) -> ast.Expr:
    """One a_expr: the stored text of a default or a check. Raises PgError 42601."""
    parser = Parser(lex(text))
    try:
        expression = parser.expression()
    except RecursionError:
        raise _too_deep() from None
    if parser.kind != END:
        raise parser.fail()
    return expression
