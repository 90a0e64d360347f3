"""`opendsql serve`: one region on this machine (DESIGN §12)."""

import errno
import sys
from pathlib import Path

import click
from click.core import ParameterSource

from server import cli_listening
from server.errors import PgError
from server.pgwire.sigv4 import SERVICE
from server.runtime import serving
from server.runtime.router.settings import Settings as Routing
from server.runtime.snapshots import SnapshotSettings
from server.runtime.stores import WORLD_ERRORS, InUse
from server.sql.limits import Limits
from server.testing.options import Testing

EXIT_FAILURE, EXIT_IN_USE = 1, 3


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", default=5432, show_default=True, type=click.IntRange(0, 65535), help="0: any free port."
)
@click.option(
    "--data", default="data", show_default=True, type=click.Path(path_type=Path), help="Data directory."
)
@click.option(
    "--memory",
    is_flag=True,
    help="Keep nothing: no sync, a private directory in memory, or in --data, which is removed at the end.",
)
@click.option("--while-stdin", is_flag=True, help="Stop when standard input ends.")
@cli_listening.testing_options
@cli_listening.limit_option
@cli_listening.surface_option
@cli_listening.options
@click.option("--region", default="us-east-1", show_default=True, help="The region that tokens are for.")
@click.option(
    "--rebase/--no-rebase", default=True, show_default=True, help="Off: any newer catalog gives OC001."
)
@cli_listening.process_options
@cli_listening.router_options
@click.option("--keep-journal", is_flag=True, help="Never trim the journal.")
@click.option("--snapshot-bytes", default=256 << 20, show_default=True, type=click.IntRange(1 << 10))
@click.option("--snapshot-seconds", default=600.0, show_default=True, type=click.FloatRange(1.0))
def serve(
    host: str,
    port: int,
    data: Path,
    memory: bool,
    while_stdin: bool,
    auth: str | None,
    password_file: Path | None,
    tls_mode: str,
    tls_names: tuple[str, ...],
    keys: Path | None,
    region: str,
    rebase: bool,
    keep_journal: bool,
    snapshot_bytes: int,
    snapshot_seconds: float,
    workers: int,
    metrics: tuple[str, int] | None,
    routing: Routing | None,
    testing: Testing,
    limits: Limits,
    surface: str | None,
) -> None:
    """Run one region on this machine."""
    iam = cli_listening.Iam(region, keys)
    access = cli_listening.access(host, auth, password_file, tls_mode, tls_names, iam)
    options = serving.Options(
        host=host,
        port=port,
        data=data,
        memory=memory,
        while_stdin=while_stdin,
        auth=access.auth,
        tls_required=access.tls_required,
        tls_names=(*access.tls_names, f"*.{SERVICE}.{cli_listening.checked_region(region)}.on.aws"),
        admin_verifier=access.admin_verifier,
        trust=access.trust,
        rebase=rebase,
        limits=limits,
        surface=surface,
        testing=testing,
        snapshots=SnapshotSettings(snapshot_bytes, snapshot_seconds, keep_journal),
        workers=workers,
        metrics=metrics,
        router=routing,
    )
    chosen = click.get_current_context().get_parameter_source("data") is not ParameterSource.DEFAULT
    sys.exit(run_serve(options, chosen))


def run_serve(options: serving.Options, is_chosen: bool = True) -> int:
    """Run and map what goes wrong to the exit codes. `is_chosen`: the data directory was, it is not the default."""
    try:
        if options.memory:
            with serving.memory_directory(options.data if is_chosen else None) as path:
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


COMMANDS = (serve,)
