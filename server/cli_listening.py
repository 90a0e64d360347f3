"""What `opendsql serve` and `opendsql node start` share: who may connect, how, and who serves them (DESIGN §12)."""

import functools
import ipaddress
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from server import cli_exits, iam_keys
from server.pgwire import scram
from server.pgwire.sigv4 import AccessKey, Trust
from server.runtime import tls
from server.runtime.router.settings import Settings as Routing
from server.sql import dates
from server.sql.limits import Limits, with_limits
from server.testing.options import Testing


@dataclass(frozen=True, slots=True)
class Access:
    """What was asked for, checked."""

    auth: str
    admin_verifier: str | None
    tls_required: bool
    tls_names: tuple[str, ...]
    trust: Trust | None = None


@dataclass(frozen=True, slots=True)
class Iam:
    """What --auth iam needs: the region that tokens are for, and --iam-keys."""

    region: str
    keys: Path | None


def options(command: Callable[..., None]) -> Callable[..., None]:
    """--auth, --password-file, --tls, --tls-name, --iam-keys: what `access` is told."""
    for option in reversed(
        (
            click.option(
                "--auth",
                type=click.Choice(["trust", "password", "iam"]),
                help="trust on loopback unless given.",
            ),
            click.option(
                "--password-file", type=click.Path(exists=True, path_type=Path), help="The admin's password."
            ),
            click.option(
                "--tls",
                "tls_mode",
                type=click.Choice(["offer", "require"]),
                default="offer",
                show_default=True,
            ),
            click.option(
                "--tls-name",
                "tls_names",
                multiple=True,
                metavar="NAME",
                help="Further host name or address in the certificate; may be repeated.",
            ),
            click.option(
                "--iam-keys",
                "keys",
                type=click.Path(exists=True, dir_okay=False, path_type=Path),
                help="Access keys whose tokens --auth iam accepts (TOML or JSON).",
            ),
        )
    ):
        command = option(command)
    return command


def process_options(command: Callable[..., None]) -> Callable[..., None]:
    """--workers, --metrics; the command gets `workers`, and `metrics` as (host, port) or None."""

    @functools.wraps(command)
    def with_metrics(*, metrics: str | None, **others: Any) -> None:
        command(**others, metrics=host_and_port("--metrics", metrics) if metrics is not None else None)

    for option in (
        click.option(
            "--metrics",
            metavar="HOST:PORT",
            help="Where Prometheus may ask; whoever reaches it may read.",
        ),
        click.option(
            "--workers",
            default=0,
            show_default=True,
            type=click.IntRange(0, 64),
            help="Further processes that accept connections.",
        ),
    ):
        with_metrics = option(with_metrics)
    return with_metrics


def router_options(command: Callable[..., None]) -> Callable[..., None]:
    """--router and how its processes come and go; the command gets them as `routing`, beside its `workers`."""

    @functools.wraps(command)
    def with_routing(
        *,
        router: bool,
        suspend_seconds: float,
        retire_seconds: float,
        renew_seconds: float,
        workers: int,
        **others: Any,
    ) -> None:
        times = suspend_seconds, retire_seconds, renew_seconds
        routing = Routing(max(workers, 1), *times) if router else None
        command(**others, workers=workers, routing=routing)

    for option in reversed(
        (
            click.option(
                "--router",
                is_flag=True,
                help="Workers serve sessions, not connections: they come and go with the work.",
            ),
            click.option("--suspend-seconds", default=1.0, hidden=True, type=click.FloatRange(0.0)),
            click.option("--retire-seconds", default=5.0, hidden=True, type=click.FloatRange(0.0)),
            click.option(
                "--renew-seconds",
                default=300.0,
                show_default=True,
                type=click.FloatRange(0.1),
                help="How long the router keeps a worker, give or take a quarter, until another one replaces it.",
            ),
        )
    ):
        with_routing = option(with_routing)
    return with_routing


def testing_options(command: Callable[..., None]) -> Callable[..., None]:
    """--no-injections, --no-conflict-detail: what docs/testing.md says; the command gets them as `testing`."""

    @functools.wraps(command)
    def with_testing(*, injections: bool, conflict_detail: bool, **others: Any) -> None:
        command(**others, testing=Testing(injections, conflict_detail))

    for option in (
        click.option(
            "--conflict-detail/--no-conflict-detail",
            default=True,
            show_default=True,
            help="Whether the errors OC000 and OC001 say why, which DSQL does not.",
        ),
        click.option(
            "--injections/--no-injections",
            default=True,
            show_default=True,
            help="Whether the admin may ask for faults (CALL opendsql.inject).",
        ),
    ):
        with_testing = option(with_testing)
    return with_testing


def limit_option(command: Callable[..., None]) -> Callable[..., None]:
    """--limit NAME=VALUE; the command gets them all as `limits`."""

    @functools.wraps(command)
    def with_option(*, limit: tuple[str, ...], **others: Any) -> None:
        try:
            limits = with_limits(Limits(), limit)
        except ValueError as error:
            cli_exits.usage(f"--limit: {error}")
        command(**others, limits=limits)

    return click.option(
        "--limit",
        multiple=True,
        metavar="NAME=VALUE",
        help="Another value of one of DSQL's limits, such as transaction_rows=100; may be repeated.",
    )(with_option)


def surface_option(command: Callable[..., None]) -> Callable[..., None]:
    """--surface DATE, checked."""

    @functools.wraps(command)
    def with_option(*, surface: str | None, **others: Any) -> None:
        try:
            day = dates.checked(surface) if surface is not None else None
        except ValueError as error:
            cli_exits.usage(f"--surface: {error}")
        command(**others, surface=day)

    return click.option("--surface", metavar="DATE", help="Refuse what Aurora DSQL refused on that day.")(
        with_option
    )


def access(
    host: str,
    auth: str | None,
    password_file: Path | None,
    tls_mode: str,
    tls_names: tuple[str, ...],
    iam: Iam,
    variable: str = "OPENDSQL_PASSWORD",
) -> Access:
    """Of a listener at `host`; the password may be in the environment's `variable`. What makes no sense is a usage
    error."""
    loopback = is_loopback(host)
    if not loopback and auth not in ("password", "iam"):
        cli_exits.usage(f"{host} is not a loopback address: --auth password or --auth iam is needed")
    try:
        names = tuple(map(tls.subject_name, tls_names))
    except ValueError as error:
        cli_exits.usage(f"--tls-name: {error}")
    verifier = trust = None
    if auth == "iam":
        trust = _trust(tls.names_of(host, names), iam)
    if auth == "password":
        password = password_file.read_text().rstrip("\n") if password_file else os.environ.get(variable)
        if not password:
            cli_exits.usage(f"--auth password needs --password-file or {variable}")
        verifier = scram.make_verifier(password, os.urandom(16))
    tls_required = tls_mode == "require" or not loopback or auth == "iam"
    return Access(auth or "trust", verifier, tls_required, names, trust)


def _trust(names: Sequence[str], iam: Iam) -> Trust:
    """The tokens that a server with these names accepts."""
    if iam.keys is None:
        cli_exits.usage("--auth iam needs --iam-keys")
    hosts = tuple(name.lower() for name in (*tls.LOCAL_NAMES, *names))
    return Trust(checked_region(iam.region), hosts, read_keys(iam.keys))


def checked_region(region: str) -> str:
    """A region's name, as it stands in tokens; anything else is a usage error."""
    if not re.fullmatch("[a-z0-9-]{1,64}", region):
        cli_exits.usage(f"--region {region!r} is not the name of a region")
    return region


def read_keys(path: Path) -> tuple[AccessKey, ...]:
    """The keys of --iam-keys; a file that is not right is a usage error."""
    try:
        return iam_keys.read(path)
    except (iam_keys.BadKeys, OSError) as error:
        cli_exits.usage(f"--iam-keys: {error}")


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
        cli_exits.usage(f"{option} needs HOST:PORT, not {text}")
    return host.removeprefix("[").removesuffix("]"), int(port)
