"""How much work one call of a function of text search may do (DESIGN §11: no scalar work stops the node)."""

from server.errors import PgError

STEPS = 1_000_000
"""Each takes about a microsecond; a usual text as long as a column can hold needs less than 400,000."""


class Effort:
    """The steps of one call that are left."""

    __slots__ = ("_left",)

    def __init__(self, steps: int = STEPS) -> None:
        self._left = steps

    def spend(self, steps: int) -> None:
        """Count them; PgError 54000 when there were too many."""
        self._left -= steps
        if self._left < 0:
            raise PgError("54000", "text search needs too many steps for this text and query")
