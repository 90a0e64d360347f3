"""`make surface`: the rules by which SQL is refused, and the settings, each with what is known of it."""

from __future__ import annotations

from collections.abc import Iterator

import click

from server.session.settings import ALL
from server.sql import dates
from server.sql.refusal import Refusal
from server.sql.refusals import table

_NOT_KNOWN = "-"


def shape(refusal: Refusal) -> str:
    """The parse node and its kinds, as one word; what has none is raised where more than the parse tree is known."""
    if refusal.of is None:
        return "(by name)"
    return refusal.of.__name__ + (f"({', '.join(refusal.kinds)})" if refusal.kinds else "")


def refusal_rows(day: str | None) -> Iterator[tuple[str, ...]]:
    """SQLSTATE, evidence, since and until when, source, text, shape: one row per refusal, in the order of the table."""
    for refusal in table(day):
        times = refusal.since or _NOT_KNOWN, refusal.until or _NOT_KNOWN
        yield refusal.sqlstate, refusal.evidence, *times, refusal.source, refusal.text, shape(refusal)


def setting_rows(day: str | None) -> Iterator[tuple[str, ...]]:
    """Name, default, whether SET takes it, evidence, source: one row per setting, by name."""
    for setting in sorted(ALL.values(), key=lambda each: each.name.lower()):
        if day is not None and setting.since > day:
            continue
        able = "SET and SHOW" if setting.check is not None else "SHOW"
        yield setting.name, setting.default or "''", able, setting.evidence, setting.source


def lines(rows: Iterator[tuple[str, ...]], heading: tuple[str, ...]) -> Iterator[str]:
    """A table of plain text, its columns as wide as they need."""
    table = [heading, *rows]
    widths = [max(len(row[place]) for row in table) for place in range(len(heading))]
    for row in table:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip()


@click.command()
@click.option("--date", "day", help="As of that day.")
def main(day: str | None) -> None:
    """Print both tables."""
    try:
        day = dates.checked(day) if day else None
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    for line in lines(
        refusal_rows(day), ("SQLSTATE", "EVIDENCE", "SINCE", "UNTIL", "SOURCE", "TEXT", "SHAPE")
    ):
        click.echo(line)
    click.echo()
    for line in lines(setting_rows(day), ("SETTING", "DEFAULT", "BY", "EVIDENCE", "SOURCE")):
        click.echo(line)


if __name__ == "__main__":
    main()
