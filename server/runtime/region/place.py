"""Where a node stands among the others of a cluster, and the durations that follow from how far apart they are."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from adjudicator.range_owner import Settings
from journal.record import Key
from server.runtime.region.config import PROMISE_MS, STORAGE_ALONE, NodeConfig
from server.runtime.topology.model import NODE_ROLES, NodeRole
from server.session.coordinator import Patience

NUMBERS_PER_NODE = 1 << 40
MS = 10**6


@dataclass(frozen=True, slots=True)
class Place:
    """Where this node stands among the others."""

    node: str
    region: str
    number: int
    """Of the node, unique in the cluster; part of the numbers of its commits."""
    regions: tuple[str, ...]
    """The active ones, in the order of the topology."""
    nodes: Mapping[str, str]
    """Id -> region, of all that speak for regions or own journals; storage nodes speak with their region's node."""
    journals: Mapping[int, str]
    """Journal -> the region that leads it when all is well."""
    initial: tuple[tuple[Key, Key, int], ...]
    """(lo, hi, journal) before anything moved; together all keys."""
    round_trip_s: float = 0.0
    """The longest between two regions, as far as it is known beforehand."""
    promise_ms: int = PROMISE_MS
    """How long an owner is bound by its vote; a cluster's owners have the same, and had so before (AR §3.5)."""
    roles: Mapping[str, tuple[NodeRole, ...]] = field(default_factory=dict)
    """Node -> its roles, if it has not all."""
    follows_writers: bool = False
    """Ranges go by themselves to the region that writes them."""

    def has(self, role: NodeRole, node: str | None = None) -> bool:
        """Whether `node` (None: this one) has the role."""
        return role in self.roles.get(node or self.node, NODE_ROLES)

    def is_head(self, node: str) -> bool:
        """Whether it speaks for its region: confirms that it is in service, and answers its sessions."""
        return self.has("router", node)

    @property
    def adjudicators(self) -> tuple[str, ...]:
        """The processes of this region that own journals and do nothing else, in order."""
        return tuple(
            node
            for node, region in self.nodes.items()
            if region == self.region and self.has("adjudicator", node) and not self.is_head(node)
        )

    @property
    def head(self) -> str:
        """The node that speaks for this region."""
        return next(
            node for node, region in self.nodes.items() if region == self.region and self.is_head(node)
        )

    @property
    def other_heads(self) -> list[str]:
        """The nodes that speak for a region, but this one."""
        return [node for node in self.nodes if node != self.node and self.is_head(node)]

    def preference(self) -> list[int]:
        """All journals, those first that are led from this region."""
        return sorted(self.journals, key=lambda each: (self.journals[each] != self.region, each))


def place_of(config: NodeConfig) -> Place:
    """Of the node that is configured so."""
    journals = {each.number: each.region for each in config.journals}
    nodes = [each for each in config.nodes if each.roles != STORAGE_ALONE]
    names = [each.node for each in nodes]
    return Place(
        config.node,
        config.region,
        names.index(config.node),
        tuple(config.regions),
        {each.node: each.region for each in nodes},
        journals,
        tuple(config.ranges) or initial_ranges(journals),
        max((each.ms for each in config.round_trips), default=0.0) / 1000,
        config.promise_ms,
        {each.node: each.roles for each in nodes},
        config.follows_writers,
    )


def settings_for(place: Place) -> Settings:
    """Durations (AR §3.3, §3.6): promises of several round trips; the lead is what it takes until there are
    measurements."""
    lead = int(1500 * place.round_trip_s) * MS + 15 * MS
    return Settings(promise=place.promise_ms * MS, reserve=max(1000, 3 * place.promise_ms) * MS, lead=lead)


def patience_for(round_trip_s: float) -> Patience:
    """A query processor's, for that distance."""
    return Patience(
        answer=int((0.4 + 3 * round_trip_s) * 1000) * MS,
        backoff=int(8 + 200 * round_trip_s) * MS,
        unknown=8000 * MS,
    )


def initial_ranges(journals: Mapping[int, str]) -> tuple[tuple[Key, Key, int], ...]:
    """All keys belong to the first journal until they are moved."""
    return ((b"", b"\xff\xff", min(journals)),)
