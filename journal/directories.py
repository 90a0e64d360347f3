"""Durable names: a file that was made or renamed is found after a power cut once its directory is flushed."""

import os
from pathlib import Path


def flush_directory(path: Path) -> None:
    """Flush the entries of a directory to the disk. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
