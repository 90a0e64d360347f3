"""The catalogs of all clusters as applied commits change them (DESIGN §6.7)."""

from collections.abc import Callable

from journal.record import Commit, Timestamp
from server.catalog import clusters, store
from server.catalog.descriptor import Catalog


class Catalogs:
    """Told what is applied, in order; holds the newest catalog of every cluster that was asked for."""

    def __init__(self, versions: store.Versions) -> None:
        self._versions = versions
        self._catalogs: dict[int, Catalog] = {}
        self.listeners: list[Callable[[Catalog], None]] = []
        """Told every new catalog, the last one of a cluster that was dropped, and one that has a new job."""

    def get(self, cluster: int) -> Catalog:
        """The newest. PgError FATAL 57P01 when the cluster was dropped."""
        found = self._catalogs.get(cluster)
        if found is None:
            raise clusters.gone()
        return found

    def clusters(self) -> list[int]:
        """Those that are loaded."""
        return list(self._catalogs)

    def load(self, cluster: int, ts: Timestamp) -> Catalog | None:
        """Read the catalog as of `ts`; None when there is none."""
        found = store.load(self._versions, cluster, ts, ts)
        if found is not None:
            self._catalogs[cluster] = found
        return found

    def load_all(self, ts: Timestamp) -> None:
        """Read those of all clusters that the server has as of `ts`."""
        for _id, cluster in clusters.every(self._versions, ts):
            self.load(cluster.number, ts)

    def applied(self, commits: list[Commit]) -> None:
        """These commits have become visible."""
        for commit in store.catalog_commits(commits):
            self._change(commit)

    def _change(self, commit: Commit) -> None:
        for cluster in sorted({int.from_bytes(write.key[:4], "big") for write in commit.writes}):
            before = self._catalogs.get(cluster)
            if before is None:
                self.load(cluster, commit.commit_ts)
                continue
            mine = [write for write in commit.writes if int.from_bytes(write.key[:4], "big") == cluster]
            if any(store.is_version_key(write.key) and write.value is None for write in mine):
                del self._catalogs[cluster]  # it was dropped
                self._tell(before)
                continue
            after = store.changed(before, mine, commit.commit_ts)
            if after is not before:
                self._catalogs[cluster] = after
                self._tell(after)
            elif any(map(store.is_submitted_job, mine)):
                self._tell(before)

    def _tell(self, catalog: Catalog) -> None:
        for listener in self.listeners:
            listener(catalog)
