"""The program of a region's node: `python -m server.runtime.region.node_process CONFIG`."""

import errno
import sys
from collections.abc import Callable
from pathlib import Path

from server.runtime import process
from server.runtime.region import config
from server.runtime.stores import WORLD_ERRORS, InUse


def main() -> int:
    """0 clean stop, 1 failure, 2 usage, 3 data directory or port in use."""
    process.log_to_stderr()
    try:
        node = config.load(Path(sys.argv[1]))
    except (IndexError, ValueError, OSError) as error:
        print(f"opendsql: {error}", file=sys.stderr)  # noqa: T201 - one line for the operator
        return 2
    return run(node)


def run(node: config.NodeConfig) -> int:
    """The exit code; whatever the world did wrong is one line on stderr."""
    try:
        return _program(node)(node)
    except InUse as error:
        print(f"opendsql: data directory in use: {error}", file=sys.stderr)  # noqa: T201
        return 3
    except (*WORLD_ERRORS, OSError) as error:
        print(f"opendsql: {error}", file=sys.stderr)  # noqa: T201
        return 3 if isinstance(error, OSError) and error.errno == errno.EADDRINUSE else 1


def _program(node: config.NodeConfig) -> Callable[[config.NodeConfig], int]:
    """What a process of these roles runs; imported here, for each needs little of what the others need."""
    if node.roles == ("adjudicator",):
        from server.runtime.adjudicator_node import serving as adjudicating

        return adjudicating.run
    if node.roles == ("storage",):
        from server.runtime.storage_node import serving as storing

        return storing.run
    from server.runtime.region import serving

    return serving.run


if __name__ == "__main__":
    sys.exit(main())
