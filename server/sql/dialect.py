"""The OpenDSQL dialect of sqlglot: its compiled tokenizer, set to PostgreSQL's lexical structure.

Only the tokenizer is used. sqlglot's compiled parser cannot be subclassed, and its tree forgets what
PostgreSQL tells apart (`==` and `=`, E'' escapes, positions), so the grammar is ours (`server.sql.parse`).
"""

from typing import ClassVar

from sqlglot.dialects.postgres import Postgres
from sqlglot.errors import TokenError
from sqlglot.tokenizer_core import Token, TokenType
from sqlglot.trie import new_trie

WORD = TokenType.VAR
STRING = TokenType.STRING


class OpenDSQL(Postgres):
    """PostgreSQL's dialect without any keyword: words stay words, operators come one character at a time."""

    class Tokenizer(Postgres.Tokenizer):
        KEYWORDS: ClassVar[dict[str, TokenType]] = {}
        COMMANDS: ClassVar[set[TokenType]] = set()
        COMMENTS: ClassVar[list[str | tuple[str, str]]] = ["--", ("/*", "*/")]
        BIT_STRINGS: ClassVar[list[str | tuple[str, str]]] = []
        HEX_STRINGS: ClassVar[list[str | tuple[str, str]]] = []
        UNICODE_STRINGS: ClassVar[list[str | tuple[str, str]]] = []
        HINT_START = "/*"


def _without_templates() -> None:
    """sqlglot takes `{# #}` for a comment in every dialect; to PostgreSQL the brace is an error."""
    tokenizer = OpenDSQL.Tokenizer
    tokenizer._COMMENTS.pop("{#", None)
    marks = (*tokenizer._COMMENTS, *tokenizer._QUOTES, *tokenizer._FORMAT_STRINGS)
    tokenizer._KEYWORD_TRIE = new_trie(
        mark.upper() for mark in marks if any(single in mark for single in tokenizer.SINGLE_TOKENS)
    )


_without_templates()
_dialect = OpenDSQL()


def split(sql: str) -> list[Token] | None:
    """The tokens of the text, or None where sqlglot finds it unterminated."""
    try:
        return _dialect.tokenize(sql)
    except TokenError:
        return None
