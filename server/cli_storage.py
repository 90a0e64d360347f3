"""`opendsql cluster`: how the rows of a region are spread over processes that do nothing else."""

from collections.abc import Callable
from functools import wraps
from typing import Any, NamedTuple

import click

from journal.record import Key

MOST_SHARDS, MOST_REPLICAS = 16, 8
SPLITS = (
    "Where the next shard begins, a key in hex; once per shard but the first. Without it a new cluster's shards begin"
    " at its first tables, one after the other; once there are rows, a start cuts them into parts of equal size."
)


class Storing(NamedTuple):
    """What the options say."""

    shards: int
    replicas: int
    splits: list[Key] | None


def options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds --shards, --replicas and --split; the command gets `storing`."""

    @wraps(command)
    def with_storing(*args: Any, shards: int, replicas: int, split: tuple[str, ...], **kwargs: Any) -> Any:
        return command(*args, storing=_storing(shards, replicas, split), **kwargs)

    decorated: Callable[..., Any] = with_storing
    decorated = click.option("--split", multiple=True, metavar="HEXKEY", help=SPLITS)(decorated)
    decorated = click.option(
        "--replicas",
        default=2,
        show_default=True,
        type=click.IntRange(1, MOST_REPLICAS),
        help="Storage processes per shard and region.",
    )(decorated)
    return click.option(
        "--shards",
        default=0,
        show_default=True,
        type=click.IntRange(0, MOST_SHARDS),
        help="Parts into which the keys are cut, each in storage processes of its own; 0: the region's node has all.",
    )(decorated)


def line(shard: dict[str, Any]) -> str:
    """Of `opendsql status`: a replica, from its node's answer."""
    behind = "" if shard["behind_ms"] is None else f"behind {shard['behind_ms']} ms   "
    return (
        f"  shard from {shard['low'] or 'the first key'}   {shard['state']}   complete {shard['complete']}   {behind}"
        f"horizon {shard['horizon']}   reads {shard['answered']}, waiting {shard['waiting']}, "
        f"refused {shard['refused']}"
    )


def _storing(shards: int, replicas: int, split: tuple[str, ...]) -> Storing:
    if not split:
        return Storing(shards, replicas, None)
    try:
        splits = [bytes.fromhex(each) for each in split]
    except ValueError as error:
        raise click.BadParameter("a key in hex, please", param_hint="--split") from error
    if b"" in splits or sorted(set(splits)) != splits:
        raise click.BadParameter("keys that rise, none of them empty", param_hint="--split")
    if shards not in (0, len(splits) + 1):
        raise click.BadParameter(f"{shards} shards are cut by {shards - 1} keys", param_hint="--split")
    return Storing(len(splits) + 1, replicas, splits)
