"""`opendsql inject`: faults on demand, of a running server (docs/testing.md)."""

from pathlib import Path
from typing import Any

import click

from server import cli_exits, cli_operate
from server.runtime.injection_requests import Inject, ListInjections, RemoveInjections
from server.testing.injections import KINDS


@click.command()
@click.argument("kind", required=False, type=click.Choice(list(KINDS)))
@cli_operate.data_option
@click.option("--nth", default=1, show_default=True, help="The first match that fires.")
@click.option("--times", type=int, help="How often it fires; else once, with --probability for ever.")
@click.option("--probability", type=float, help="Instead of --nth: how likely each match fires.")
@click.option("--seed", type=int, help="Of the dice.")
@click.option("--pid", type=int, help="Only this session, by pg_backend_pid().")
@click.option("--role", help="Only sessions of this role.")
@click.option("--table", help="Only this table: NAME or SCHEMA.NAME.")
@click.option("--ms", default=0.0, help="slow: how much longer.")
@click.option("--jitter-ms", default=0.0, help="slow: and up to so much more.")
@click.option("--cluster", metavar="ID", help="Of which cluster of the server; else the default one.")
@click.option("--list", "is_list", is_flag=True, help="Show all, with how often each matched and fired.")
@click.option("--remove", type=int, metavar="ID", help="Remove one.")
@click.option("--remove-all", is_flag=True, help="Remove all.")
def inject(
    kind: str | None,
    data: Path,
    times: int | None,
    cluster: str | None,
    is_list: bool,
    remove: int | None,
    remove_all: bool,
    **options: Any,
) -> None:
    """Let a fault of KIND happen to the server's clients; one line of JSON says its id."""
    asked = [kind is not None, is_list, remove is not None, remove_all]
    if sum(asked) != 1:
        cli_exits.usage("one of KIND, --list, --remove and --remove-all is needed")
    if is_list:
        cli_operate.perform(data, ListInjections(cluster), cli_operate.print_json)
    elif kind is None:
        cli_operate.perform(data, RemoveInjections(remove, cluster), cli_operate.print_json)
    else:
        if times is None and options["probability"] is None:
            times = 1
        cli_operate.perform(
            data, Inject(kind, times=times, cluster=cluster, **options), cli_operate.print_json
        )


COMMANDS = (inject,)
