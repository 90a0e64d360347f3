"""What all server processes share: where the program lies, where they log, and what the interpreter is told once."""

import gc
import logging
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
"""Where the packages lie, in a checkout or in a wheel."""

SWITCH_INTERVAL_S = 0.0005
"""How long the flush thread may wait for the interpreter when its flush is done; Python's own value is ten times
that."""
YOUNG_OBJECTS = 50_000
"""New containers before the collector looks for cycles: a statement makes thousands, and hardly a cycle."""


def log_to_stderr() -> None:
    """What is worth a line goes to standard error: from OPENDSQL_LOG on, a level's name; else warnings."""
    logging.basicConfig(
        level=os.environ.get("OPENDSQL_LOG", "WARNING").upper(),
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
        stream=sys.stderr,
    )


def environment() -> dict[str, str]:
    """Of a process that runs a module of the program, wherever it is started from."""
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


def tune() -> None:
    """Set up collector and threads; call it when everything is loaded, before clients come."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, 20, 50)
    sys.setswitchinterval(SWITCH_INTERVAL_S)
