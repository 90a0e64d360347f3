"""Query strings to typed statements; expressions of stored defaults and checks; statements with lifted literals."""

from collections.abc import Callable

from server.errors import PgError
from server.sql import ast
from server.sql.ast import ParsedStatement, Statement
from server.sql.grammar_base import NotLiftable as NotLiftable
from server.sql.grammar_session import Sessions
from server.sql.lexer import END, FCONST, ICONST, SCONST, lex


class Parser(Sessions):
    """All statements; `statements` is the entry."""

    def statements(self) -> list[ParsedStatement]:
        """stmtmulti: the statements between semicolons, without the empty ones."""
        found = []
        while True:
            while self.accept(";"):
                pass
            if self.kind == END:
                return found
            first = self.index
            self.highest_parameter = 0
            statement = self.statement()
            if self.kind not in (";", END):
                raise self.fail()
            found.append(ParsedStatement(statement, self.slice(first), self.starts[first], self.highest_parameter))

    def statement(self) -> Statement:
        """stmt."""
        rule = _STATEMENTS.get(self.kind)
        if rule is None:
            raise self.fail()
        return rule(self)

    def create(self) -> Statement:
        at = self.at
        self.index += 1
        persistence = self.persistence()
        return self.create_table(at, persistence)


_STATEMENTS: dict[str, Callable[[Parser], Statement]] = {
    **dict.fromkeys(("select", "values", "table", "(", "with", "with_la", "insert", "update", "delete", "merge"),
                    Parser.preparable_statement),
    **dict.fromkeys(("begin", "start", "commit", "end", "rollback", "abort", "savepoint", "release"),
                    Parser.transaction),
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
}  # fmt: skip


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
