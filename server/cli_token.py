"""`opendsql token`: what to give as a password to a server with `--auth iam` (DESIGN §12)."""

import datetime
import os
from pathlib import Path

import click

from server.cli_exits import usage
from server.cli_listening import checked_region, read_keys
from server.pgwire.sigv4 import (
    ACTION,
    ADMIN_ACTION,
    DEFAULT_EXPIRES_S,
    MOST_EXPIRES_S,
    AccessKey,
    make_token,
)


@click.command()
@click.option(
    "--admin", is_flag=True, help="For the role admin (DbConnectAdmin); else for another (DbConnect)."
)
@click.option("--host", default="localhost", show_default=True, help="What the client will call the server.")
@click.option(
    "--region",
    envvar=["AWS_REGION", "AWS_DEFAULT_REGION"],
    default="us-east-1",
    show_default=True,
    help="The server's; else AWS_REGION or AWS_DEFAULT_REGION.",
)
@click.option(
    "--expires",
    default=DEFAULT_EXPIRES_S,
    show_default=True,
    type=click.IntRange(1, MOST_EXPIRES_S),
    help="Seconds.",
)
@click.option(
    "--iam-keys",
    "keys",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Sign with a key of this file; else with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.",
)
@click.option("--key", "id", help="Which one of --iam-keys; else the first that may do it.")
def token(admin: bool, host: str, region: str, expires: int, keys: Path | None, id: str | None) -> None:
    """Print a token, to be used as a password until it expires."""
    action = ADMIN_ACTION if admin else ACTION
    if keys is not None:
        key = _chosen(read_keys(keys), id, action)
    elif id is not None:
        usage("--key needs --iam-keys")
    else:
        key = _of_environment(action)
    now = datetime.datetime.now(datetime.UTC)
    click.echo(make_token(key, host, checked_region(region), action, now, expires))


def _chosen(keys: tuple[AccessKey, ...], id: str | None, action: str) -> AccessKey:
    for key in keys:
        if key.id == id or (id is None and action in key.actions):
            return key
    usage(f"--iam-keys: no key {id}" if id is not None else f"--iam-keys: no key may do {action}")


def _of_environment(action: str) -> AccessKey:
    id, secret = os.environ.get("AWS_ACCESS_KEY_ID"), os.environ.get("AWS_SECRET_ACCESS_KEY")
    if not id or not secret:
        usage("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or --iam-keys, are needed")
    return AccessKey(id, secret, "", (action,), os.environ.get("AWS_SESSION_TOKEN") or None)


COMMANDS = (token,)
