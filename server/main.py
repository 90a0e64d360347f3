"""The command line (DESIGN §12). A command's modules are imported when it is called: most need no SQL."""

from importlib import import_module

import click

from server.runtime import process

MODULES = {
    "serve": "serve",
    "status": "operate",
    "snapshot": "operate",
    "journal": "journal",
    "audit": "operate",
    "password": "operate",
    "inject": "inject",
    "backup": "backup",
    "restore": "backup",
    "cluster": "cluster",
    "cluster-drop": "clusters",
    "cluster-list": "clusters",
    "cluster-new": "clusters",
    "region": "cluster",
    "node": "node",
    "range": "cluster",
    "topology": "topology",
    "token": "token",
}
"""Where each command is: server.cli_*, in its COMMANDS."""


class Commands(click.Group):
    """The commands by name."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """For --help."""
        return sorted(MODULES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """None: there is none of that name."""
        if cmd_name not in MODULES:
            return None
        module = import_module(f"server.cli_{MODULES[cmd_name]}")
        commands: dict[str, click.Command] = {each.name: each for each in module.COMMANDS}
        return commands[cmd_name]


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="opendsql")
def cli() -> None:
    """An open, runnable reimplementation of Amazon Aurora DSQL."""
    process.log_to_stderr()
