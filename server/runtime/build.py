"""Which build of the program runs: shown by every process, so that a roll-out is visible while it goes on."""

import importlib.metadata


def version() -> str:
    """The installed distribution's: what a process that starts now would run."""
    return importlib.metadata.version("opendsql")
