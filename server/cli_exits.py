"""How commands end: a line on standard error and an exit code (DESIGN §12)."""

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import click

from server.runtime.requests import Refused
from server.runtime.stores import WORLD_ERRORS, InUse

EXIT_FAILURE, EXIT_USAGE, EXIT_IN_USE = 1, 2, 3


def fail(message: str, code: int = EXIT_FAILURE) -> NoReturn:
    """One line on stderr, then the end."""
    click.echo(f"opendsql: {message}", err=True)
    sys.exit(code)


def usage(message: str) -> NoReturn:
    """What was asked for makes no sense."""
    fail(message, EXIT_USAGE)


@contextmanager
def failures(*more: type[Exception]) -> Iterator[None]:
    """Whatever of the world is wrong, and `more`, becomes one line and an exit code."""
    world: tuple[type[Exception], ...] = (*WORLD_ERRORS, *more, Refused)
    try:
        yield
    except InUse as error:
        fail(f"data directory in use: {error}", EXIT_IN_USE)
    except BrokenPipeError:
        # Whoever read our output has seen enough; Python must not complain when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(EXIT_FAILURE)
    except world as error:
        fail(str(error))
    except OSError as error:
        fail(str(error), EXIT_IN_USE if error.errno == errno.EADDRINUSE else EXIT_FAILURE)
