"""`opendsql status`, `snapshot`, `audit`, `password`: for operators (DESIGN §12).

Each asks the server that runs on the data directory by its control socket. When none does, the command takes
the directory's lock and does the work itself; a lock held by somebody who does not answer is exit code 3.
Results go to standard output, everything else to standard error.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import msgspec

from server import cli_connect, cli_exits, cli_status
from server.pgwire import scram
from server.runtime.requests import (
    AuditJournal,
    CutSnapshot,
    Refused,
    Request,
    SetPassword,
    Status,
)

STATE_S = 5.0
"""A node that does not say in time how it is speaks for nobody."""

data_option = click.option(
    "--data", default="data", show_default=True, type=click.Path(path_type=Path), help="Data directory."
)
json_option = click.option("--json", "as_json", is_flag=True, help="One JSON object.")


def perform(data: Path, request: Request, show: Callable[[Any], None]) -> None:
    """Do it, one `show` per JSON object; whatever is wrong becomes one line and an exit code."""
    with cli_exits.failures():
        cli_connect.perform(directory(data), request, show)


def directory(data: Path) -> Path:
    """Of a cluster on this machine the node of the first region in service, else any: one speaks for all.

    Of one region's directory in it, that region's. When none answers, one line and an exit code.
    """
    if not cli_status.is_cluster(data):
        return data / "node" if (data / "node" / "control").exists() else data
    states = {each: _state(each) for each in sorted(data.glob("*/node"))}
    answering = [each for each, state in states.items() if state is not None]
    if not answering:
        cli_exits.fail(f"no cluster runs on {data}")
    return next((each for each in answering if states[each] == "serving"), answering[0])


def _state(node: Path) -> str | None:
    """What a node's status says; None if nobody answers."""
    try:
        connected = cli_connect.connect(node)
        if connected is None:
            return None
        found: list[Any] = []
        with connected:
            connected.settimeout(STATE_S)
            cli_connect.ask(connected, Status(), found.append)
    except (Refused, OSError):
        return None
    return str(found[0]["state"])


def print_json(value: Any) -> None:
    """A line of JSON on standard output, at once: somebody may follow."""
    click.echo(msgspec.json.encode(value))


@click.command()
@data_option
@json_option
@click.option("--watch", is_flag=True, help="A cluster's, again and again.")
def status(data: Path, as_json: bool, watch: bool) -> None:
    """Show what the node or the cluster is doing, or how it was left."""
    if cli_status.is_cluster(data):
        with cli_exits.failures():
            cli_status.show_status(data, as_json, watch)
        return
    perform(data, Status(), print_json if as_json else _print_status)


@click.command()
@data_option
@json_option
def snapshot(data: Path, as_json: bool) -> None:
    """Cut a snapshot now."""

    def show(cut: Any) -> None:
        click.echo(f"{cut['path']}: {cut['rows']} rows at record {cut['position']}, {cut['bytes']} bytes")

    perform(data, CutSnapshot(), print_json if as_json else show)


@click.command()
@data_option
@json_option
def audit(data: Path, as_json: bool) -> None:
    """Prove order, atomicity and snapshot isolation from the log alone; exit 1 on a violation."""
    found: list[Any] = []
    perform(data, AuditJournal(), found.append)
    if as_json:
        print_json(found[0])
    else:
        _print_audit(found[0])
    if not found[0]["ok"]:
        sys.exit(cli_exits.EXIT_FAILURE)


@click.command()
@click.argument("role")
@data_option
@click.option("--password-file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def password(role: str, data: Path, password_file: Path | None) -> None:
    """Set a role's password, from --password-file, OPENDSQL_PASSWORD or the terminal."""
    if password_file is not None:
        secret = password_file.read_text().rstrip("\n")
    else:
        secret = os.environ.get("OPENDSQL_PASSWORD") or _ask()
    if not secret:
        cli_exits.usage("the password is empty")
    perform(data, SetPassword(role, scram.make_verifier(secret, os.urandom(16))), print_json)


COMMANDS = (status, snapshot, audit, password)


def _ask() -> str:
    if not sys.stdin.isatty():
        cli_exits.usage("no terminal to ask on: use --password-file or OPENDSQL_PASSWORD")
    asked: str = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    return asked


def _print_status(found: dict[str, Any]) -> None:
    for name, value in found.items():
        click.echo(f"{name:22}{_shown(value)}")


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return "  ".join(f"{key}={each}" for key, each in value.items()) or "none"
    if isinstance(value, list):
        return (", " if any(isinstance(each, dict) for each in value) else " ").join(
            map(_shown, value)
        ) or "none"
    return str(value)


def _print_audit(found: dict[str, Any]) -> None:
    for each in found.get("journals", (found,)):
        name = f"journal {each['journal']} " if "journal" in each else ""
        click.echo(f"{name}records {each['first']} to {each['last']}")
        click.echo(f"chain from {each['from_hash']} to {each['last_hash']}")
    click.echo(f"{found['records']} records, {found['commits']} commits")
    click.echo(f"snapshot isolation in full for transactions that began at {found['complete_from']} or later")
    for each in found["findings"]:
        name = f"journal {each['journal']} " if each.get("journal") is not None else ""
        click.echo(
            f"violation {each['invariant']} {name}record {each['position']}: {each['text']} {each['txid']}"
        )
    click.echo("ok: order, one owner, atomicity, first committer wins" if found["ok"] else "violations found")
