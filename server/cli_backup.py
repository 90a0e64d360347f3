"""`opendsql backup` and `restore`: snapshots kept elsewhere, and new databases begun from them (DESIGN §7, §12).

A place for backups is a directory or s3://BUCKET/PREFIX. Results go to standard output, all else to standard error.
"""

import asyncio
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import msgspec

from server import cli_connect, cli_exits, cli_operate
from server.cli_topology import load_or_exit, tell_problems
from server.runtime import build
from server.runtime.backup import founding, storing
from server.runtime.backup.manifest import BackupDamaged, Manifest
from server.runtime.backup.places import Place, PlaceError, open_place
from server.runtime.backup.regions import BEGIN, found_node
from server.runtime.region.config import NodeConfig
from server.runtime.requests import CutSnapshot
from server.runtime.topology import deploying
from server.runtime.topology.reading import BadTopology

endpoint_option = click.option(
    "--endpoint-url", metavar="URL", help="Of an S3-compatible store; else AWS's own, or AWS_ENDPOINT_URL_S3."
)
json_option = click.option("--json", "as_json", is_flag=True, help="One JSON object per backup.")
name_option = click.option("--backup", "name", metavar="NAME", help="As list shows it; else the newest.")
place_argument = click.argument("place", metavar="PLACE")


def place_options(command: Callable[..., None]) -> Callable[..., None]:
    """PLACE and --endpoint-url."""
    return place_argument(endpoint_option(command))


@click.group()
def backup() -> None:
    """Keep snapshots in PLACE: a directory, or s3://BUCKET/PREFIX with the usual AWS credentials."""


@backup.command()
@place_options
@cli_operate.data_option
@click.option("--keep", type=click.IntRange(1), help="Then remove all but so many, the oldest first.")
@json_option
def create(place: str, endpoint_url: str | None, data: Path, keep: int | None, as_json: bool) -> None:
    """Cut a snapshot of the server, region or cluster on --data, and store it."""
    with cli_exits.failures(PlaceError, BackupDamaged):
        where = open_place(place, endpoint_url)
        written = storing.write(where, _cut(data), build.version())
        _show(written, as_json)
        if keep is not None:
            _prune(where, keep)


@backup.command("list")
@place_options
@json_option
def list_backups(place: str, endpoint_url: str | None, as_json: bool) -> None:
    """Show what is there, newest first; exit 1 if one has a damaged manifest."""
    with cli_exits.failures(PlaceError, BackupDamaged):
        found = storing.listed(open_place(place, endpoint_url))
        for each in found.whole:
            _show(each, as_json)
        for name in found.unfinished:
            click.echo(f"{name}: no manifest: not finished", err=True)
        for _name, why in found.damaged:
            click.echo(why, err=True)
        if found.damaged:
            sys.exit(cli_exits.EXIT_FAILURE)


@backup.command()
@place_options
@click.option("--backup", "names", metavar="NAME", multiple=True, help="Only these; else all.")
def verify(place: str, endpoint_url: str | None, names: tuple[str, ...]) -> None:
    """Read backups in full; exit 1 if any is damaged or there is none."""
    with cli_exits.failures(PlaceError, BackupDamaged):
        where = open_place(place, endpoint_url)
        found = storing.listed(where)
        damaged = [why for name, why in found.damaged if not names or name in names]
        chosen = [storing.find(where, name) for name in names] if names else found.whole
        for each in chosen:
            try:
                storing.verify(where, each)
                click.echo(f"{each.name}: whole")
            except BackupDamaged as error:
                damaged.append(str(error))
        for why in damaged:
            click.echo(f"opendsql: {why}", err=True)
        if damaged:
            sys.exit(cli_exits.EXIT_FAILURE)
        if not chosen:
            cli_exits.fail("there is no backup")


@backup.command()
@place_options
@click.option("--keep", required=True, type=click.IntRange(1), help="So many of the newest stay.")
def prune(place: str, endpoint_url: str | None, keep: int) -> None:
    """Remove older backups, and what was begun a day ago and never finished."""
    with cli_exits.failures(PlaceError, BackupDamaged):
        _prune(open_place(place, endpoint_url), keep)


@click.command()
@place_options
@name_option
@cli_operate.data_option
@click.option(
    "--topology",
    "file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Restore into this new cluster, whose journals must be empty; --node says whose --data it is.",
)
@click.option("--node", metavar="ID", help="The topology's node.")
@click.option("--cluster", "is_cluster", is_flag=True, help="--data is to be started by `opendsql cluster`.")
def restore(
    place: str,
    endpoint_url: str | None,
    name: str | None,
    data: Path,
    file: Path | None,
    node: str | None,
    is_cluster: bool,
) -> None:
    """Make a new database of a backup: an empty --data for `serve`, or a region's node with new journals."""
    if (file is None) != (node is None) or (is_cluster and file is not None):
        cli_exits.usage("--topology and --node belong together, and --cluster stands alone")
    config = None if file is None or node is None else _config(file, node, data)
    with cli_exits.failures(PlaceError, BackupDamaged):
        where = open_place(place, endpoint_url)
        found = storing.find(where, name)
        founding.check_empty(data)
        path = data / BEGIN
        try:
            storing.fetch(where, found, path)
            if config is not None:
                asyncio.run(found_node(config, path))
            elif not is_cluster:
                founding.found_serve(data, path)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        if not is_cluster:
            path.unlink()
        click.echo(f"{data}: {found.rows} rows as of {_moment(found.complete)}")


COMMANDS = (backup, restore)


def _config(file: Path, node: str, data: Path) -> NodeConfig:
    topology = load_or_exit(file)
    try:
        return deploying.node_config(topology, node, data, "127.0.0.1", "")
    except BadTopology as error:
        tell_problems(file, error)
        sys.exit(cli_exits.EXIT_USAGE)


def _cut(data: Path) -> Path:
    """The file of a new snapshot. Raises what `cli_connect.perform` does."""
    directory = cli_operate.directory(data)
    answers: list[Any] = []
    cli_connect.perform(directory, CutSnapshot(), answers.append)
    # The server's working directory may be another one than ours.
    return directory / "snapshots" / Path(answers[0]["path"]).name


def _prune(place: Place, keep: int) -> None:
    for name in storing.prune(place, keep, time.time_ns()):
        click.echo(f"{name}: removed")


def _show(found: Manifest, as_json: bool) -> None:
    if as_json:
        shown = {key: value for key, value in msgspec.to_builtins(found).items() if key != "pieces"}
        click.echo(msgspec.json.encode(shown))
        return
    click.echo(
        f"{found.name}  {found.source:6}  as of {_moment(found.complete)}  {found.rows} rows, {found.size} bytes"
    )


def _moment(ts: int) -> str:
    """A timestamp for people."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(ts // 10**9)) + f".{ts % 10**9 // 10**6:03} UTC"
