"""DSQL's limits (dsql-reference §4): one object, whose defaults are DSQL's, lowered in tests by `--limit`."""

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from typing import Any


@dataclass(slots=True)
class Limits:
    """Each limit with its unit in its name."""

    transaction_rows: int = 3_000
    transaction_bytes: int = 10 << 20
    transaction_age_s: float = 300.0
    cluster_bytes: int = 10 << 40
    """Of each cluster's rows, index entries and catalog: keys and stored rows, newest versions (storage.sizes)."""
    query_memory_bytes: int = 128 << 20
    message_bytes: int = 10 << 20
    row_bytes: int = 2 << 20
    column_bytes: int = 1 << 20
    key_bytes: int = 1_983
    """Of a key as it is stored: a cluster takes a single text of about 1,981 bytes, which is two bytes longer here."""
    declared_key_bytes: int = 2_000
    """What the lengths of a key's char(n) and varchar(n) may add up to."""
    columns_per_key: int = 8
    columns_per_table: int = 256
    """A cluster takes one column more than its message, and the user guide, say."""
    columns_ever_per_table: int = 1_600
    """Dropped ones among them."""
    indexes_per_table: int = 24
    schemas: int = 10
    """Beside public and the system's."""
    tables: int = 1_000
    clusters: int = 1_000
    """Of one server; AWS's quota is an account's."""
    connections: int = 10_000
    connection_age_s: float = 3_600.0
    connections_per_s: float = 100.0
    """How many new ones a process that accepts them takes in the long run."""
    connection_burst: int = 1_000
    """And how many at once, after a quiet time."""
    write_overhead_bytes: int = 32
    """What a row or index entry counts towards transaction_bytes beside its key and value."""
    job_start_s: float = 0.0
    """How long a job waits before it starts; on a cluster often 1 to 60 s."""
    job_retention_s: float = 1_800.0
    """How long a job that has ended stays in sys.jobs; then it goes when another one runs."""
    analyze_interval_s: float = 60.0
    """How often the node looks for tables that have changed so much that they are analyzed; 0: never."""
    history_s: float = 300.0
    """How far back opendsql.as_of reaches; no limit of DSQL's."""

    @property
    def history_ns(self) -> int:
        """`history_s`, by so much longer than a transaction needs it storage keeps what was superseded."""
        return int(self.history_s * 1e9)


_ONLY_LOWERED = frozenset(
    ("transaction_bytes", "transaction_age_s", "message_bytes", "row_bytes", "column_bytes", "key_bytes")
)
"""What is kept, sent and remembered for them is made for DSQL's values."""


def with_limits(limits: Limits, settings: Iterable[str]) -> Limits:
    """`limits` with each NAME=VALUE of `settings` in it. Raises ValueError with a text for the operator."""
    given: dict[str, Any] = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals:
            raise ValueError(f"{setting!r} is not NAME=VALUE")
        given[name] = _value(name, text)
    found = replace(limits, **given)
    if found.row_bytes < found.column_bytes:
        raise ValueError("row_bytes can't be less than column_bytes: give both")
    return found


def _value(name: str, text: str) -> int | float:
    default = next((each.default for each in fields(Limits) if each.name == name), None)
    if not isinstance(default, (int, float)):
        known = ", ".join(each.name for each in fields(Limits))
        raise ValueError(f"there is no limit {name!r}; there are {known}")
    kind = type(default)
    try:
        value = kind(text)
    except ValueError:
        raise ValueError(
            f"{name} needs {'a whole number' if kind is int else 'a number'}, not {text!r}"
        ) from None
    if not 0 <= value < float("inf"):
        raise ValueError(f"{name} needs a number that is not negative, not {text!r}")
    if name in _ONLY_LOWERED and value > default:
        raise ValueError(f"{name} can be at most {default}, as on Aurora DSQL")
    return value
