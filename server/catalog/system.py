"""The system schemas as FROM finds them: pg_catalog, information_schema, sys (DESIGN §5) and opendsql."""

from __future__ import annotations

from server.catalog import (
    system_opendsql,
    system_sql,
    system_static,
    system_tables,
    system_views,
)
from server.catalog.system_relation import BY_OID, RELATIONS, SystemRelation

__all__ = ["MODULES", "RELATIONS", "SystemRelation", "find_by_oid", "find_relation"]

MODULES = (system_opendsql, system_sql, system_static, system_tables, system_views)
"""They fill RELATIONS with what makes the rows."""


def find_relation(schema: str, name: str) -> SystemRelation | None:
    """A system table or view by name; None when there is none."""
    return RELATIONS.get((schema, name))


def find_by_oid(oid: int) -> SystemRelation | None:
    """A system table or view by oid."""
    return BY_OID.get(oid)
