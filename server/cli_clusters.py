"""`opendsql cluster-new`, `cluster-drop`, `cluster-list`: the clusters of one server (DESIGN §8, docs/testing.md)."""

from pathlib import Path

import click

from server import cli_operate
from server.runtime.requests import DropCluster, ListClusters, NewCluster


@click.command("cluster-new")
@cli_operate.data_option
def new(data: Path) -> None:
    """Make a fresh cluster beside the others, and print its id as JSON."""
    cli_operate.perform(data, NewCluster(), cli_operate.print_json)


@click.command("cluster-drop")
@click.argument("cluster_id", metavar="ID")
@cli_operate.data_option
def drop(cluster_id: str, data: Path) -> None:
    """End a cluster and its sessions; its rows are removed in the background."""
    cli_operate.perform(data, DropCluster(cluster_id), cli_operate.print_json)


@click.command("cluster-list")
@cli_operate.data_option
def show(data: Path) -> None:
    """Print the server's clusters as JSON lines."""
    cli_operate.perform(data, ListClusters(), cli_operate.print_json)


COMMANDS = (new, drop, show)
