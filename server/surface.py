"""`make surface`: the rules by which SQL is refused, and the settings, each with what is known of it."""

from __future__ import annotations

from collections.abc import Iterator

import click

from server.session.settings import ALL
from server.sql.refusal import Refusal
from server.sql.refusals import TABLE

_NOT_KNOWN = "-"


def shape(refusal: Refusal) -> str:
    """The parse node and its kinds, as one word; what has none is raised where more than the parse tree is known."""
    if refusal.of is None:
        return "(by name)"
    return refusal.of.__name__ + (f"({', '.join(refusal.kinds)})" if refusal.kinds else "")


def refusal_rows() -> Iterator[tuple[str, ...]]:
    """SQLSTATE, evidence, since when, source, text, shape: one row per refusal, in the order of the table."""
    for refusal in TABLE:
        since = refusal.since or _NOT_KNOWN
        yield refusal.sqlstate, refusal.evidence, since, refusal.source, refusal.text, shape(refusal)


def setting_rows() -> Iterator[tuple[str, ...]]:
    """Name, default, whether SET takes it, evidence, source: one row per setting, by name."""
    for setting in sorted(ALL.values(), key=lambda each: each.name.lower()):
        able = "SET and SHOW" if setting.check is not None else "SHOW"
        yield setting.name, setting.default or "''", able, setting.evidence, setting.source


def lines(rows: Iterator[tuple[str, ...]], heading: tuple[str, ...]) -> Iterator[str]:
    """A table of plain text, its columns as wide as they need."""
    table = [heading, *rows]
    widths = [max(len(row[place]) for row in table) for place in range(len(heading))]
    for row in table:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip()


def main() -> None:
    """Print both tables."""
    for line in lines(refusal_rows(), ("SQLSTATE", "EVIDENCE", "SINCE", "SOURCE", "TEXT", "SHAPE")):
        click.echo(line)
    click.echo()
    for line in lines(setting_rows(), ("SETTING", "DEFAULT", "BY", "EVIDENCE", "SOURCE")):
        click.echo(line)


if __name__ == "__main__":
    main()
