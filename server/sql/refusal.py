"""What one refusal is: a shape of the parse tree, the error that it gets, and how that is known (DESIGN §5)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from server.errors import PgError
from server.sql import ast
from server.sql.dates import PREVIEW

OBSERVED = "observed"
"""Somebody recorded it on a cluster."""
DOCUMENTED = "documented"
"""The user guide says so, in these words or nearly."""
ASSUMED = "assumed"
"""Refused by DSQL, but the exact text is not known: it follows the general forms (dsql-reference §0)."""
OURS = "ours"
"""DSQL supports it, this server does not: the text says whose refusal it is."""

IDENTITIES = "2026-02-13"
"""Sequences and identity columns; before, neither was there to have rules."""


def _always(_node: Any) -> bool:
    return True


def _nothing(_node: Any) -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Refusal:
    """One thing that is refused.

    `of`, `kinds` and `when` are the shape: a parse node of that class, of one of these kinds (none: of any), for
    which `when` is true. Without `of` a later stage raises it, because it needs more than the parse tree.
    """

    text: str
    """`{}` stands for what `shown` makes of the node, or for what the later stage names."""
    evidence: str
    source: str
    """Section and source tag of dsql-reference."""
    of: type | None = None
    kinds: tuple[str, ...] = ()
    when: Callable[[Any], bool] = _always
    shown: Callable[[Any], str] = _nothing
    since: str | None = PREVIEW
    """From which day on: DSQL refuses it, or (`OURS`) supports it. None: not known."""
    until: str | None = None
    """The day from which on DSQL supports it; None: it is refused still."""
    hint: str | None = None
    unless: str | None = None
    """A setting that lifts the refusal when it is off."""
    sqlstate: str = "0A000"

    def error(self, shown: str = "") -> PgError:
        """The error, with `shown` in its text."""
        detail = None
        if self.evidence == OURS and self.since is not None:
            detail = f"Aurora DSQL supports it since {self.since}."
        return PgError(self.sqlstate, self.text.replace("{}", shown), detail=detail, hint=self.hint)


def not_here(what: str, source: str, since: str | None = None, **shape: Any) -> Refusal:
    """The refusal of what DSQL supports and this server does not."""
    return Refusal(f"OpenDSQL does not support {what} yet", OURS, source, since=since, **shape)


def whole(evidence: str, source: str, *nodes: str, text: str = "unsupported statement: {}") -> list[Refusal]:
    """Statements that are refused whole, by PostgreSQL's node."""
    return [
        Refusal(
            text.replace("{}", node), evidence, source, ast.Unsupported, (node,), lambda each: not each.what
        )
        for node in nodes
    ]


def about(
    node: str, text: str, evidence: str, source: str, *whats: str, since: str | None = None
) -> list[Refusal]:
    """Statements about these kinds of objects; `OURS` with `{}` for the kind, in upper case."""
    found = []
    for what in whats:
        shape = (ast.Unsupported, (node,), _is_about(what))
        if evidence == OURS:
            text_of = f"OpenDSQL does not support {text.replace('{}', what.upper())} yet"
            found.append(Refusal(text_of, OURS, source, *shape, since=since))
        else:
            found.append(Refusal(text, evidence, source, *shape, since=since or PREVIEW))
    return found


def _is_about(what: str) -> Callable[[ast.Unsupported], bool]:
    return lambda node: node.what == what
