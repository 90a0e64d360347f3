"""The command line (DESIGN §12)."""

import errno
import ipaddress
import logging
import os
import re
import sys
from pathlib import Path
from typing import NoReturn

import click

from server import cli_cluster, cli_operate, cli_topology
from server.errors import PgError
from server.pgwire import scram
from server.runtime import serving, tls
from server.runtime.router.router import Settings as Routing
from server.runtime.snapshots import SnapshotSettings
from server.runtime.stores import WORLD_ERRORS, InUse

EXIT_FAILURE, EXIT_USAGE, EXIT_IN_USE = 1, 2, 3


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="opendsql")
def cli() -> None:
    """An open, runnable reimplementation of Amazon Aurora DSQL."""
    logging.basicConfig(
        level=os.environ.get("OPENDSQL_LOG", "WARNING").upper(),
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
        stream=sys.stderr,
    )


@cli.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", default=5432, show_default=True, type=click.IntRange(0, 65535), help="0: any free port."
)
@click.option(
    "--data", default="data", show_default=True, type=click.Path(path_type=Path), help="Data directory."
)
@click.option("--memory", is_flag=True, help="Keep nothing: no sync, a private directory in memory.")
@click.option(
    "--auth", type=click.Choice(["trust", "password", "iam"]), help="trust on loopback unless given."
)
@click.option("--password-file", type=click.Path(exists=True, path_type=Path), help="The admin's password.")
@click.option(
    "--tls", "tls_mode", type=click.Choice(["offer", "require"]), default="offer", show_default=True
)
@click.option(
    "--tls-name",
    "tls_names",
    multiple=True,
    metavar="NAME",
    help="Further host name or address in the certificate; may be repeated.",
)
@click.option(
    "--rebase/--no-rebase", default=True, show_default=True, help="Off: any newer catalog gives OC001."
)
@click.option(
    "--workers",
    default=0,
    show_default=True,
    type=click.IntRange(0, 64),
    help="Further processes that accept connections.",
)
@click.option("--metrics", metavar="HOST:PORT", help="Where Prometheus may ask; whoever reaches it may read.")
@click.option(
    "--router", is_flag=True, help="Workers serve sessions, not connections: they come and go with the work."
)
@click.option("--suspend-seconds", default=1.0, hidden=True, type=click.FloatRange(0.0))
@click.option("--retire-seconds", default=5.0, hidden=True, type=click.FloatRange(0.0))
@click.option("--keep-journal", is_flag=True, help="Never trim the journal.")
@click.option("--snapshot-bytes", default=256 << 20, show_default=True, type=click.IntRange(1 << 10))
@click.option("--snapshot-seconds", default=600.0, show_default=True, type=click.FloatRange(1.0))
def serve(
    host: str,
    port: int,
    data: Path,
    memory: bool,
    auth: str | None,
    password_file: Path | None,
    tls_mode: str,
    tls_names: tuple[str, ...],
    rebase: bool,
    keep_journal: bool,
    snapshot_bytes: int,
    snapshot_seconds: float,
    workers: int,
    metrics: str | None,
    router: bool,
    suspend_seconds: float,
    retire_seconds: float,
) -> None:
    """Run one region on this machine."""
    loopback = is_loopback(host)
    if auth == "iam":
        usage("--auth iam is not available yet")
    if not loopback and auth not in ("password", "iam"):
        usage(f"{host} is not a loopback address: --auth password or --auth iam is needed")
    try:
        names = tuple(map(tls.subject_name, tls_names))
    except ValueError as error:
        usage(f"--tls-name: {error}")
    verifier = None
    if auth == "password":
        password = (
            password_file.read_text().rstrip("\n") if password_file else os.environ.get("OPENDSQL_PASSWORD")
        )
        if not password:
            usage("--auth password needs --password-file or OPENDSQL_PASSWORD")
        verifier = scram.make_verifier(password, os.urandom(16))
    options = serving.Options(
        host=host,
        port=port,
        data=data,
        memory=memory,
        auth=auth or "trust",
        tls_required=tls_mode == "require" or not loopback,
        tls_names=names,
        admin_verifier=verifier,
        rebase=rebase,
        snapshots=SnapshotSettings(snapshot_bytes, snapshot_seconds, keep_journal),
        workers=workers,
        metrics=host_and_port("--metrics", metrics) if metrics is not None else None,
        router=Routing(max(workers, 1), suspend_seconds, retire_seconds) if router else None,
    )
    sys.exit(run_serve(options))


for command in (*cli_operate.COMMANDS, *cli_cluster.COMMANDS, *cli_topology.COMMANDS):
    cli.add_command(command)


def run_serve(options: serving.Options) -> int:
    """Run and map what goes wrong to the exit codes."""
    try:
        if options.memory:
            with serving.memory_directory() as path:
                options.data = path
                return serving.run(options)
        return serving.run(options)
    except InUse as error:
        click.echo(f"opendsql: data directory in use: {error}", err=True)
        return EXIT_IN_USE
    except WORLD_ERRORS as error:
        click.echo(f"opendsql: {options.data}: {error}", err=True)
        return EXIT_FAILURE
    except PgError as error:
        click.echo(f"opendsql: {options.data}: {error.message}", err=True)
        return EXIT_FAILURE
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            click.echo(
                f"opendsql: port in use: {error.filename or f'{options.host}:{options.port}'}", err=True
            )
            return EXIT_IN_USE
        click.echo(f"opendsql: {error}", err=True)
        return EXIT_FAILURE


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def host_and_port(option: str, text: str) -> tuple[str, int]:
    """An address like 127.0.0.1:9100 or [::1]:9100; anything else is a usage error."""
    host, _, port = text.rpartition(":")
    if not host or not re.fullmatch("[0-9]{1,5}", port) or not 1 <= int(port) <= 65535:
        usage(f"{option} needs HOST:PORT, not {text}")
    return host.removeprefix("[").removesuffix("]"), int(port)


def usage(message: str) -> NoReturn:
    """One line on stderr, exit code 2."""
    click.echo(f"opendsql: {message}", err=True)
    sys.exit(EXIT_USAGE)
