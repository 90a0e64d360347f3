"""`opendsql cluster`, `region`, `node`, `range`: regions on this machine, and how to break them (DESIGN §12)."""

import sys
from pathlib import Path

import click

from server import cli_exits, cli_listening, cli_operate, cli_status, cli_storage
from server.cli_storage import Storing
from server.runtime.region import local_cluster
from server.runtime.region.local_requests import MoveRange, NodeKill, RegionChange, Request
from server.runtime.router.settings import Settings as Routing
from server.runtime.topology.model import LEAST_QUOTA_MIB, QUOTA_MIB
from server.sql.limits import Limits
from server.testing.options import Testing


@click.command()
@click.option("--regions", default="us-east-1,us-west-2", show_default=True, help="The two active regions.")
@click.option("--witness", default="us-east-2", show_default=True, help="The region that holds the log only.")
@cli_operate.data_option
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
    with cli_exits.failures(local_cluster.Failed):
        sys.exit(local_cluster.run(options))


@click.group()
def region() -> None:
    """Cut a region of a running cluster off, kill it, or heal it."""


def _region_command(action: str, text: str) -> click.Command:
    @click.command(action, help=text)
    @click.argument("name", metavar="REGION")
    @cli_operate.data_option
    def command(name: str, data: Path) -> None:
        _perform(data, RegionChange(action, name))

    return command


@region.command("cut")
@click.argument("name", metavar="REGION")
@click.option("--from", "other", metavar="REGION", help="Only the link to this one.")
@cli_operate.data_option
def region_cut(name: str, other: str | None, data: Path) -> None:
    """Nothing passes between REGION and the others; it goes on running."""
    _perform(data, RegionChange("cut", name, other))


region.add_command(
    _region_command("kill", "kill -9 of every process in REGION; they stay dead until it is healed.")
)
region.add_command(_region_command("heal", "Join REGION to the others again and start what was killed."))


@click.group()
def node() -> None:
    """Processes of a running cluster."""


@node.command("kill")
@click.argument("name", metavar="NODE")
@cli_operate.data_option
def node_kill(name: str, data: Path) -> None:
    """kill -9 of one process, by the name that `opendsql status` shows; it is started again."""
    _perform(data, NodeKill(name))


@click.group("range")
def range_group() -> None:
    """Who decides on which keys."""


@range_group.command("move")
@click.argument("name", metavar="REGION")
@click.option("--table", help="This table's keys; without it all keys.")
@click.option("--journal", type=int, help="One of those led from REGION; else the first.")
@cli_operate.data_option
def range_move(name: str, table: str | None, journal: int | None, data: Path) -> None:
    """Let the adjudicator in REGION decide on a table's commits, while they go on."""
    _perform(data, MoveRange(name, table, journal))


def _perform(data: Path, request: Request) -> None:
    with cli_exits.failures():
        cli_status.ask(data, request)


COMMANDS = (cluster, region, range_group)
