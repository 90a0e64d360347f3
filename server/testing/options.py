"""What the command line says of docs/testing.md."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Testing:
    """Of one node."""

    injections: bool = True
    """Whether its admin may ask for faults."""
    conflict_detail: bool = True
    """Whether OC000 and OC001 say why, unless a session wants otherwise."""
