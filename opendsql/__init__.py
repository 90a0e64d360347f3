"""The installed face of OpenDSQL: the `opendsql` command. Importing it changes nothing in the importer's process."""

import sys
from pathlib import Path

__version__ = "0.1.0"


def main() -> None:
    """Run the command line; the server's own packages are put on the path of this process only (DESIGN §2)."""
    here = Path(__file__).resolve().parent
    installed = here / "_app"
    sys.path.insert(0, str(installed if installed.is_dir() else here.parent))
    from server.main import cli

    cli()
