"""DSQL's limits (dsql-reference §4): one object, whose defaults are DSQL's, lowered in tests."""

from dataclasses import dataclass


@dataclass(slots=True)
class Limits:
    """Each limit with its unit in its name."""

    transaction_rows: int = 3_000
    transaction_bytes: int = 10 << 20
    transaction_age_s: float = 300.0
    query_memory_bytes: int = 128 << 20
    row_bytes: int = 2 << 20
    column_bytes: int = 1 << 20
    key_bytes: int = 2_000
    columns_per_key: int = 8
    columns_per_table: int = 255
    indexes_per_table: int = 24
    schemas: int = 10
    tables: int = 1_000
    clusters: int = 1_000
    """Of one server; AWS's quota is an account's."""
    connections: int = 10_000
    connection_age_s: float = 3_600.0
    write_overhead_bytes: int = 32
    """What a row or index entry counts towards transaction_bytes beside its key and value."""
