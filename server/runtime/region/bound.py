"""Run a program that must not outlive whoever started it: `python bound.py PARENT PROGRAM ARGUMENT...`.

A supervisor that is killed can't end its children, and what they leave behind holds ports and locks against the next
start. So each asks the kernel to be killed with its parent; the wish is kept by exec (prctl(2), PR_SET_PDEATHSIG).
Linux alone has it: elsewhere the program is run all the same. This file is run by its path and imports nothing of ours.
"""

import contextlib
import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def command(*program: str) -> list[str]:
    """What the present process executes to run `program` (a path, and arguments) bound to itself."""
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), *program]


def main() -> None:
    """Does not return."""
    parent, program = int(sys.argv[1]), sys.argv[2]
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(1)  # it had ended before the kernel was asked
    os.execv(program, sys.argv[2:])


if __name__ == "__main__":
    main()
