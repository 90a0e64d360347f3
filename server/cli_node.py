"""`opendsql node start`: one region's node from the cluster's topology, on a machine of its own (DESIGN §12)."""

import sys
from pathlib import Path

import click
import msgspec

from server import cli_cluster, cli_exits, cli_listening
from server.cli_topology import load_or_exit, tell_problems
from server.runtime.region import node_process
from server.runtime.router.settings import Settings as Routing
from server.runtime.topology import deploying
from server.runtime.topology.reading import BadTopology
from server.sql.limits import Limits
from server.testing.options import Testing


@click.command("start")
@click.argument("file", metavar="TOPOLOGY", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--node", "name", required=True, metavar="ID", help="Which of the topology's nodes this one is."
)
@click.option(
    "--data", default="data", show_default=True, type=click.Path(path_type=Path), help="Data directory."
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on for SQL.")
@click.option("--listen", default="", metavar="ADDRESS", help="For other nodes; else the topology's host.")
@cli_listening.process_options
@click.option(
    "--fixed-ranges",
    is_flag=True,
    help="Ranges stay where the topology has them, else they go to the region that writes them.",
)
@cli_listening.router_options
@cli_listening.testing_options
@cli_listening.limit_option
@cli_listening.surface_option
@cli_listening.options
def start(
    file: Path,
    name: str,
    data: Path,
    host: str,
    listen: str,
    workers: int,
    routing: Routing | None,
    fixed_ranges: bool,
    testing: Testing,
    limits: Limits,
    surface: str | None,
    metrics: tuple[str, int] | None,
    auth: str | None,
    password_file: Path | None,
    tls_mode: str,
    tls_names: tuple[str, ...],
    keys: Path | None,
) -> None:
    """Run the node ID of TOPOLOGY on this machine."""
    topology = load_or_exit(file)
    try:
        config = deploying.node_config(topology, name, data, host, listen)
    except BadTopology as error:
        tell_problems(file, error)
        sys.exit(cli_exits.EXIT_USAGE)
    iam = cli_listening.Iam(config.region, keys)
    variable = topology.passwords.admin
    access = cli_listening.access(host, auth, password_file, tls_mode, tls_names, iam, variable)
    config = msgspec.structs.replace(
        config,
        workers=workers,
        router=routing,
        follows_writers=not fixed_ranges,
        testing=testing,
        limits=limits,
        surface=surface,
        metrics=metrics,
        auth=access.auth,
        admin_verifier=access.admin_verifier,
        trust=access.trust,
        tls_required=access.tls_required,
        tls_names=list(access.tls_names),
    )
    sys.exit(node_process.run(config))


cli_cluster.node.add_command(start)
COMMANDS = (cli_cluster.node,)
