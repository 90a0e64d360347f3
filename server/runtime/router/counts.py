"""What a router counts, from its start."""

from dataclasses import dataclass


@dataclass(slots=True)
class Counts:
    """Sessions and processors; every one of them is published, also what never happened."""

    entered: int = 0
    """Sessions that began."""
    resumed: int = 0
    """Sessions that came back to a processor."""
    moved: int = 0
    """Those of them that came to another one than they had left."""
    suspended: int = 0
    """Sessions that left a processor as a state."""
    stayed: int = 0
    """Sessions that were asked to leave and are more than a state."""
    lost_transactions: int = 0
    """Of idle sessions whose processor died."""
    lost_connections: int = 0
    """Sessions whose statement ran in a processor that died, or of which no base was kept."""
    refused: int = 0
    """Sessions that ended because no processor could be started."""
    started: int = 0
    """Processors that were started and took sessions."""
    failed_starts: int = 0
    retired: int = 0
    """Processors that ended because they had no session."""
    renewed: int = 0
    """Processors that ended because they were old."""
    put_off: int = 0
    """Renewals put off because sessions stayed, or no successor started."""
    died: int = 0
    """Processors that took sessions and ended by themselves."""
