"""`opendsql cluster`, `region`, `node`, `range`: regions on this machine, and how to break them (DESIGN §12)."""

import errno
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

import click
import msgspec

from server import cli_connect, cli_listening, cli_storage
from server.cli_storage import Storing
from server.runtime.region import local_cluster
from server.runtime.requests import Refused
from server.runtime.router.settings import Settings as Routing
from server.runtime.stores import InUse
from server.runtime.topology.model import LEAST_QUOTA_MIB, QUOTA_MIB
from server.sql.limits import Limits
from server.testing.options import Testing

EXIT_FAILURE, EXIT_USAGE, EXIT_IN_USE = 1, 2, 3
WATCH_S = 0.5

data_option = click.option(
    "--data", default="data", show_default=True, type=click.Path(path_type=Path), help="Data directory."
)


@click.command()
@click.option("--regions", default="us-east-1,us-west-2", show_default=True, help="The two active regions.")
@click.option("--witness", default="us-east-2", show_default=True, help="The region that holds the log only.")
@data_option
@click.option(
    "--rtt", default=0.0, show_default=True, type=click.FloatRange(0, 2000), help="Round trip, milliseconds."
)
@click.option(
    "--port",
    default=5432,
    show_default=True,
    type=click.IntRange(0, 65534),
    help="Of the first region, the next one for the second; 0: any free ones.",
)
@click.option(
    "--clock-error",
    default=0.0,
    show_default=True,
    type=click.FloatRange(0, 1000),
    help="Milliseconds that one region's clock is ahead and the other's behind, as both allow for.",
)
@click.option(
    "--workers",
    default=0,
    show_default=True,
    type=click.IntRange(0, 64),
    help="Processes per region that serve clients, beside the one that commits.",
)
@cli_listening.router_options
@click.option(
    "--journals",
    type=click.IntRange(2, 16),
    help="Led from the regions in turn, each an etcd cluster of three members; 2, or as many as there are.",
)
@click.option(
    "--adjudicators",
    default=0,
    show_default=True,
    type=click.IntRange(0, 16),
    help="Processes per region that own its journals; 0: its node does.",
)
@cli_storage.options
@click.option(
    "--metrics",
    metavar="HOST:PORT",
    help="For Prometheus: PORT of the first region's node, then the next ones.",
)
@click.option(
    "--quota",
    default=QUOTA_MIB,
    show_default=True,
    type=click.IntRange(LEAST_QUOTA_MIB, 8192),
    help="MiB that each member of etcd may hold.",
)
@click.option(
    "--fixed-ranges",
    is_flag=True,
    help="Ranges stay where they are or are moved to; else they go to the region that writes them.",
)
@click.option(
    "--silence",
    default=1.0,
    show_default=True,
    type=click.FloatRange(0.2, 60),
    help="Seconds without a word after which a region goes on without the other; more on a busy machine.",
)
@cli_listening.testing_options
@cli_listening.limit_option
@cli_listening.surface_option
def cluster(
    regions: str,
    witness: str,
    data: Path,
    rtt: float,
    port: int,
    clock_error: float,
    workers: int,
    routing: Routing | None,
    journals: int | None,
    adjudicators: int,
    storing: Storing,
    metrics: str | None,
    quota: int,
    fixed_ranges: bool,
    silence: float,
    testing: Testing,
    limits: Limits,
    surface: str | None,
) -> None:
    """Run two regions and a witness on this machine."""
    at = cli_listening.host_and_port("--metrics", metrics) if metrics is not None else None
    options = local_cluster.Options(
        data,
        list(local_cluster.names(regions)),
        witness,
        port,
        rtt,
        clock_error,
        workers,
        at,
        silence,
        journals=journals,
        adjudicators=adjudicators,
        shards=storing.shards,
        replicas=storing.replicas,
        splits=storing.splits,
        router=routing,
        follows_writers=not fixed_ranges,
        quota_mib=quota,
        testing=testing,
        limits=limits,
        surface=surface,
    )
    try:
        sys.exit(local_cluster.run(options))
    except InUse as error:
        _fail(f"data directory in use: {error}", EXIT_IN_USE)
    except local_cluster.Failed as error:
        _fail(str(error), EXIT_FAILURE)
    except OSError as error:
        _fail(str(error), EXIT_IN_USE if error.errno == errno.EADDRINUSE else EXIT_FAILURE)


@click.group()
def region() -> None:
    """Cut a region of a running cluster off, kill it, or heal it."""


def _region_command(action: str, text: str) -> click.Command:
    @click.command(action, help=text)
    @click.argument("name", metavar="REGION")
    @data_option
    def command(name: str, data: Path) -> None:
        _perform(data, local_cluster.RegionChange(action, name))

    return command


@region.command("cut")
@click.argument("name", metavar="REGION")
@click.option("--from", "other", metavar="REGION", help="Only the link to this one.")
@data_option
def region_cut(name: str, other: str | None, data: Path) -> None:
    """Nothing passes between REGION and the others; it goes on running."""
    _perform(data, local_cluster.RegionChange("cut", name, other))


region.add_command(
    _region_command("kill", "kill -9 of every process in REGION; they stay dead until it is healed.")
)
region.add_command(_region_command("heal", "Join REGION to the others again and start what was killed."))


@click.group()
def node() -> None:
    """Processes of a running cluster."""


@node.command("kill")
@click.argument("name", metavar="NODE")
@data_option
def node_kill(name: str, data: Path) -> None:
    """kill -9 of one process, by the name that `opendsql status` shows; it is started again."""
    _perform(data, local_cluster.NodeKill(name))


@click.group("range")
def range_group() -> None:
    """Who decides on which keys."""


@range_group.command("move")
@click.argument("name", metavar="REGION")
@click.option("--table", help="This table's keys; without it all keys.")
@click.option("--journal", type=int, help="One of those led from REGION; else the first.")
@data_option
def range_move(name: str, table: str | None, journal: int | None, data: Path) -> None:
    """Let the adjudicator in REGION decide on a table's commits, while they go on."""
    _perform(data, local_cluster.MoveRange(name, table, journal))


COMMANDS = (cluster, region, range_group)


def is_cluster(data: Path) -> bool:
    """Whether the data directory is one of `opendsql cluster`."""
    return (data / local_cluster.PLAN).exists()


def show_status(data: Path, as_json: bool, watch: bool) -> None:
    """`opendsql status` of a cluster."""
    while True:
        found: list[Any] = []
        _perform(data, local_cluster.Status(), found)
        if as_json:
            click.echo(msgspec.json.encode(found[0]))
        else:
            text = "\n".join(_lines(found[0]))
            if watch:
                click.clear()
            click.echo(text)
        if not watch:
            return
        time.sleep(WATCH_S)


def _perform(data: Path, request: local_cluster.Request, found: list[Any] | None = None) -> None:
    try:
        connected = cli_connect.connect(data) if data.is_dir() else None
        if connected is None:
            _fail(f"no cluster runs on {data}", EXIT_FAILURE)
        with connected:
            cli_connect.ask(connected, request, ([] if found is None else found).append)
    except (Refused, OSError) as error:
        _fail(str(error), EXIT_FAILURE)


def _lines(found: dict[str, Any]) -> list[str]:
    lines = []
    for each in found["regions"]:
        lines.append(f"{each['region']:14}{each['state']:56}{each.get('endpoint', '')}")
        if "journals" not in each:
            continue
        regions = each["regions"]
        lines.append(
            f"  epoch {regions['epoch']} active {','.join(regions['active'])}   behind {each['behind_ms']} ms   "
            f"commits {each['commits']}   conflicts {each['conflicts']}   sessions {each['sessions']}"
        )
        for journal in each["journals"]:
            leads = "leads" if journal["leads_here"] else "reads"
            lines.append(
                f"  journal {journal['journal']} {leads}   epoch {journal['epoch']}   read {journal['read']}   "
                f"closed {journal['closed_ahead_ms']} ms ahead   owner {journal['owner']}   {journal['error']}"
            )
        lines += _process_lines(each)
    for each in found["parts"]:
        lines.append(
            f"{each['node']:34}{each['state']:36}{','.join(each['roles'])}   {each['region']}{_build(each)}"
        )
        lines += map(cli_storage.line, each.get("shards", ()))
        lines += [
            f"  journal {journal['journal']} owned   epoch {journal['epoch']}   committed {journal['committed']}   "
            f"appends {journal['append_ms']} ms   lead {journal['lead_ms']} ms"
            for journal in each.get("journals", ())
            if journal["is_owner"]
        ]
    etcd = ", ".join(f"{each['node']}{'' if each['is_running'] else ' (dead)'}" for each in found["etcd"])
    lines.append(f"witness       {found['witness']}")
    lines.append(f"etcd          {etcd}")
    lines.append(f"cut           {', '.join(found['cuts']) or 'nothing'}")
    return lines


def _process_lines(node: dict[str, Any]) -> list[str]:
    """Build and start of a region's node, and its further processes."""
    lines = [
        f"  build {node['version']}   up {node['uptime_s']:.0f} s   serving after {node['ready_after_s']} s"
    ]
    for each in node["workers"]:
        lines.append(
            f"  process {each['index']} {each['state']}   build {each['version']}   sessions {each['sessions']}   "
            f"transactions {each['transactions']}   busy {each['busy']:.0%}   serving after {each['start_s']} s"
        )
    routed = node["router"]
    if routed:
        names = ("here", "away", "waiting", "suspended", "moved", "renewed", "lost_transactions")
        lines.append("  router " + "   ".join(f"{name} {routed[name]}" for name in names))
    return lines


def _build(each: dict[str, Any]) -> str:
    """What a roll-out changes; nothing of a process that does not answer."""
    return f"   build {each['version']}   up {each['uptime_s']:.0f} s" if "version" in each else ""


def _fail(message: str, code: int) -> NoReturn:
    click.echo(f"opendsql: {message}", err=True)
    sys.exit(code)
