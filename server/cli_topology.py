"""`opendsql topology`: look at a cluster's file before it is used (DESIGN §12)."""

import datetime
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from server import cli_exits
from server.runtime.net import identity
from server.runtime.topology import deploying
from server.runtime.topology.model import Topology
from server.runtime.topology.reading import BadTopology, load

file_argument = click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))


@click.group()
def topology() -> None:
    """A cluster of several regions, on paper."""


@topology.command()
@file_argument
def check(file: Path) -> None:
    """Say what is wrong with FILE, or what is in it."""
    for line in _summary(load_or_exit(file)):
        click.echo(line)


@topology.command()
@file_argument
def certificates(file: Path) -> None:
    """Make the authority and the certificates of nodes and of etcd's members where FILE says, or renew them."""
    found = load_or_exit(file)
    now = datetime.datetime.now(datetime.UTC)
    identities = [found.identity(node) for node in found.nodes]
    members = deploying.etcd_hosts(found)
    try:
        identity.issue(found.certificates, identities, now)
        identity.issue_members(found.certificates, found.cluster, members, now)
    except (OSError, ValueError) as error:
        click.echo(f"opendsql: {error}", err=True)
        sys.exit(cli_exits.EXIT_FAILURE)
    click.echo(f"{found.certificates}: {len(identities)} nodes, members of etcd in {len(members)} regions")


def tell_problems(file: Path, error: BadTopology) -> None:
    """Each on a line of stderr."""
    for problem in error.problems:
        click.echo(f"{file}: {problem}", err=True)


def load_or_exit(file: Path) -> Topology:
    """The topology in the file; what is wrong with it is told, and the exit code is 1."""
    try:
        return load(file)
    except BadTopology as error:
        tell_problems(file, error)
    except OSError as error:
        click.echo(f"opendsql: {error}", err=True)
    sys.exit(cli_exits.EXIT_FAILURE)


def _summary(found: Topology) -> Iterator[str]:
    yield f"cluster {found.cluster}: {len(found.nodes)} nodes in {len(found.active_regions)} active regions"
    for region in found.regions:
        yield f"region {region.name}: {region.role}"
        for node in found.nodes:
            if node.region == region.name:
                sql = f", SQL on {node.clients}" if node.clients is not None else ""
                yield f"  node {node.id} at {node.host}:{node.port}{sql}: {' '.join(node.roles)}"
    for journal in found.journals:
        yield f"journal {journal.number} led from {journal.leader}: {' '.join(journal.etcd.values())}"
    for shard in found.shards:
        high = "" if shard.high is None else shard.high.hex()
        copies = sum(map(len, shard.replicas.values()))
        yield f"shard [{shard.low.hex()}, {high}): journal {shard.journal}, {copies} replicas"
    for distance in found.distances:
        yield f"distance {' - '.join(distance.between)}: {distance.ms:g} ms added"
    sources = sorted({found.clock_of(node).source for node in found.nodes})
    yield f"clock {', '.join(sources)}"
    for what, variable in (("admin", found.passwords.admin), ("etcd", found.passwords.etcd)):
        if variable is not None:
            state = "set" if os.environ.get(variable) else "not set"
            yield f"password of {what}: {variable}, {state} here"


COMMANDS = (topology,)
