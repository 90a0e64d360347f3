"""What a client can say of one of its transactions afterwards: the log that whole-history checks read."""

from typing import NamedTuple


class Logged(NamedTuple):
    """One transaction. Times are ns of true time; values are unique or can be told apart."""

    client: str
    kind: str
    start_ts: int
    began: int
    ended: int
    reads: dict[bytes, bytes | None]
    writes: dict[bytes, bytes | None]
    commit_ts: int | None
    """0: it was aborted, or only read; None: nobody could say."""
