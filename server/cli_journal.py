"""`opendsql journal`: the log as JSON lines, and as a stream of DSQL's change data capture (docs/changes.md)."""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from server import cli_exits, cli_operate
from server.runtime.requests import ReadJournal

FORMATS = ("changes", "cdc", "records")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@click.command()
@cli_operate.data_option
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    default="changes",
    show_default=True,
    help="changes: everything that the log says, rows much as in cdc. cdc: records of DSQL's change data capture and"
    " nothing else. records: whole records with their hashes.",
)
@click.option(
    "--follow", is_flag=True, help="Go on with what is committed from now on; needs a running server."
)
@click.option("--from", "start", type=click.IntRange(1), help="First record; else the oldest that is kept.")
@click.option("--records", is_flag=True, help="As --format records.")
@click.option("--journal", "number", type=click.IntRange(0), help="Of regions, with records: which one.")
@click.option(
    "--position",
    type=click.IntRange(0),
    metavar="NS",
    help="Of cdc: begin behind this position, as --positions or source.ts_ns told it.",
)
@click.option(
    "--since",
    metavar="TIME",
    help="Of cdc: begin behind this time (ISO 8601, UTC if it does not say), or 'now'.",
)
@click.option(
    "--positions", is_flag=True, help="Of cdc: say on standard error how far everything was printed."
)
@click.option("--cluster", metavar="ID", help="Of cdc: changes of this cluster alone; else of all.")
def journal(
    data: Path,
    form: str,
    follow: bool,
    start: int | None,
    records: bool,
    number: int | None,
    position: int | None,
    since: str | None,
    positions: bool,
    cluster: str | None,
) -> None:
    """Print the log as JSON lines, one per change of a row; it begins with the oldest record that is kept."""
    is_cdc = form == "cdc"
    if is_cdc and (records or number is not None):
        cli_exits.usage("--records and --journal are not of --format cdc")
    form = "records" if records else form
    if not is_cdc and (position is not None or since is not None or positions or cluster is not None):
        cli_exits.usage("--position, --since, --positions and --cluster are of --format cdc")
    if sum(each is not None for each in (start, position, since)) > 1:
        cli_exits.usage("one of --from, --position and --since says where it begins")
    if since is not None and since != "now":
        position = _nanoseconds(since)
    request = ReadJournal(
        start, follow, form == "records", number, is_cdc, position, since == "now", positions, cluster
    )
    try:
        cli_operate.perform(data, request, _print_change if is_cdc else cli_operate.print_json)
    except KeyboardInterrupt:
        sys.exit(0)


def _print_change(line: Any) -> None:
    if "type" in line:
        cli_operate.print_json(line)
    elif "position" in line:
        click.echo(f"position {line['position']}", err=True)
    else:
        click.echo(f"opendsql: {line['warning']}", err=True)


def _nanoseconds(text: str) -> int:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        cli_exits.usage(f"--since: {text!r} is neither 'now' nor a time such as 2026-11-28T21:04:31.5Z")
    since = (found if found.tzinfo is not None else found.replace(tzinfo=UTC)) - _EPOCH
    return (since.days * 86_400 + since.seconds) * 10**9 + since.microseconds * 1000 + 999


COMMANDS = (journal,)
