"""How much tables have changed since they were last analyzed: which ones are due (PostgreSQL's autovacuum, in small).

Counted is what is applied, row by row and entry by entry, with one step of a dictionary; whose a key's prefix is, is
asked only where somebody looks. A restart forgets the counts, as PostgreSQL's does after a crash.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from journal.record import Commit
from server.catalog.descriptor import Catalog, Oid, Statistics, Table
from server.sql.access import PREFIX_LENGTH

BASE_ROWS = 50
"""autovacuum_analyze_threshold."""
SCALE = 0.1
"""autovacuum_analyze_scale_factor."""


class Activity:
    """The rows written per table; a core, told what is applied."""

    __slots__ = ("_written",)

    def __init__(self) -> None:
        self._written: defaultdict[bytes, int] = defaultdict(int)
        """By a key's prefix: cluster and table or index."""

    def note(self, commits: Iterable[Commit]) -> None:
        """These commits were applied."""
        written = self._written
        for commit in commits:
            for write in commit.writes:
                written[write.key[:PREFIX_LENGTH]] += 1

    @property
    def is_empty(self) -> bool:
        """Whether nothing was written since somebody looked last."""
        return not self._written

    def forget_others(self, clusters: Iterable[int]) -> None:
        """Only these are there: what was written in others, and in what is no cluster, counts no more."""
        known = {cluster.to_bytes(4, "big") for cluster in clusters}
        for prefix in [each for each in self._written if each[:4] not in known]:
            del self._written[prefix]

    def due(self, catalog: Catalog, known: Mapping[Oid, Statistics]) -> list[Table]:
        """Tables of this cluster that have changed enough to be analyzed; their counts begin anew.

        Indexes, the catalog's own rows and what was dropped are forgotten.
        """
        found: list[Table] = []
        cluster = catalog.cluster.to_bytes(4, "big")
        for prefix in [each for each in self._written if each[:4] == cluster]:
            table = catalog.tables.get(int.from_bytes(prefix[4:], "big"))
            if table is None:
                del self._written[prefix]
                continue
            before = known.get(table.oid)
            if self._written[prefix] > BASE_ROWS + SCALE * (before.rows if before is not None else 0):
                del self._written[prefix]
                found.append(table)
        return found
