"""What the catalog knows: immutable descriptors, stored one per catalog row (DESIGN §6.7).

Every descriptor carries `version`, the catalog version that last changed it: a transaction that used it may
rebase onto a newer catalog only while that number stays the same.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import TypeAlias

import msgspec

Oid: TypeAlias = int
Acl: TypeAlias = tuple[tuple[Oid, str, Oid], ...]

FIRST_USER_OID = 16384
SYSTEM_SCHEMAS = ("pg_catalog", "information_schema", "sys", "opendsql")
"""Schemas that are in every catalog and not among its descriptors."""
DEFAULT_CLUSTER = 1
"""The number of the cluster that a server begins with, and that clients get who name none (DESIGN §8)."""


class Column(msgspec.Struct, frozen=True, gc=False):
    """One attribute; its position in `Table.columns` is attnum - 1 and its place in the stored row."""

    name: str
    type_oid: Oid
    typmod: int = -1
    not_null: bool = False
    default: str | None = None
    """SQL text of the default (or generation) expression."""
    dropped: bool = False
    storage: str | None = None
    generated: bool = False
    """GENERATED ALWAYS AS (`default`) STORED."""
    acl: Acl = ()
    """As `Table.acl`; nothing is implied."""
    comment: str | None = None


def dropped_name(attnum: int) -> str:
    """What a dropped column is called, which no statement can name by accident (RemoveAttributeById)."""
    return f"........pg.dropped.{attnum}........"


class IndexKey(msgspec.Struct, frozen=True, gc=False):
    """One key column of an index."""

    column: int
    """attnum, from 1; 0: `expression`."""
    nulls_first: bool = False
    expression: str | None = None
    """SQL text of what is computed of a row instead of a column."""


class Index(msgspec.Struct, frozen=True):
    """A secondary index, or (primary) the order of the table itself."""

    oid: Oid
    name: str
    keys: tuple[IndexKey, ...]
    include: tuple[int, ...] = ()
    unique: bool = False
    nulls_not_distinct: bool = False
    primary: bool = False
    constraint: bool = False
    """It belongs to a PRIMARY KEY or UNIQUE constraint of the same name."""
    state: str = "valid"
    """building, valid, or invalid; all three are maintained by every commit, only valid ones are read."""
    comment: str | None = None
    constraint_comment: str | None = None
    """That of the constraint, which is an object of its own for COMMENT."""
    predicate: str | None = None
    """SQL text of the condition under which a row has an entry; None: every row has."""


class Check(msgspec.Struct, frozen=True, gc=False):
    """A CHECK constraint."""

    oid: Oid
    name: str
    expression: str
    """SQL text."""
    validated: bool = True
    comment: str | None = None


class ForeignKey(msgspec.Struct, frozen=True, gc=False):
    """A FOREIGN KEY constraint; it belongs to the table that refers (dsql-reference §1.3)."""

    oid: Oid
    name: str
    columns: tuple[int, ...]
    """attnums of the table that refers."""
    parent: Oid
    """The table that is referred to; it may be the same one."""
    parent_columns: tuple[int, ...]
    """attnums there, in the order of `columns`."""
    parent_index: Oid
    """The unique index over them: what is looked up."""
    on_delete: str = "no action"
    """no action, restrict, cascade, set null, set default; so is on_update."""
    on_update: str = "no action"
    set_columns: tuple[int, ...] = ()
    """attnums that SET NULL or SET DEFAULT sets on delete; none: all of `columns`."""
    full: bool = False
    """MATCH FULL."""
    deferrable: bool = False
    deferred: bool = False
    """INITIALLY DEFERRED."""
    validated: bool = True
    comment: str | None = None


class Table(msgspec.Struct, frozen=True):
    """A table. Rows live under its oid in primary-key order; without a primary key, under a hidden 16-byte key."""

    oid: Oid
    schema_oid: Oid
    name: str
    owner: Oid
    columns: tuple[Column, ...]
    primary_key: Index | None = None
    indexes: tuple[Index, ...] = ()
    """Secondary indexes, the ones of UNIQUE constraints among them."""
    checks: tuple[Check, ...] = ()
    acl: Acl = ()
    """(grantee, privilege letters, grantor), as server.catalog.acl says; the owner's are implied while empty."""
    version: int = 0
    comment: str | None = None
    foreign_keys: tuple[ForeignKey, ...] = ()
    referenced_by: tuple[Oid, ...] = ()
    """Tables with foreign keys to this one. So a new foreign key changes both descriptors, and a transaction that
    began before it and changes the referenced table fails with OC001."""

    @property
    def all_indexes(self) -> tuple[Index, ...]:
        """The primary key and the secondary indexes."""
        return self.indexes if self.primary_key is None else (self.primary_key, *self.indexes)


class Schema(msgspec.Struct, frozen=True):
    oid: Oid
    name: str
    owner: Oid
    acl: Acl = ()
    version: int = 0
    comment: str | None = None


class IamMapping(msgspec.Struct, frozen=True, gc=False):
    """An IAM user or role that may connect as a role (AWS IAM GRANT)."""

    oid: Oid
    arn: str
    grantor: Oid


class Membership(msgspec.Struct, frozen=True, gc=False):
    """That a role is a member of another one (pg_auth_members); each grantor's is one of its own."""

    oid: Oid
    role: Oid
    """What it is a member of."""
    grantor: Oid
    admin: bool = False
    """It may grant the membership to others."""
    inherit: bool = True
    """It has the privileges of the role."""
    may_set: bool = True
    """It may give objects to the role."""


class Role(msgspec.Struct, frozen=True):
    oid: Oid
    name: str
    login: bool = True
    inherit: bool = True
    verifier: str | None = None
    """SCRAM-SHA-256 verifier of `opendsql password`."""
    member_of: tuple[Oid, ...] = ()
    """Memberships in rows of before these had options; read as `memberships`."""
    version: int = 0
    iam: tuple[IamMapping, ...] = ()
    memberships: tuple[Membership, ...] = ()
    comment: str | None = None


class DefaultAcl(msgspec.Struct, frozen=True):
    """What is granted on objects that a role will make (ALTER DEFAULT PRIVILEGES)."""

    oid: Oid
    role: Oid
    schema_oid: Oid
    """0: in all schemas."""
    kind: str
    """table, sequence, function, type or schema."""
    acl: Acl
    """All that is granted, instead of the object's default; of a schema: what is granted beside it."""
    version: int = 0


class Job(msgspec.Struct, frozen=True):
    """An asynchronous job (dsql-reference §6)."""

    job_id: str
    job_type: str
    status: str
    details: str
    object_oid: Oid
    object_name: str
    start_time: int
    """Microseconds since 2000-01-01, UTC; so is update_time."""
    update_time: int | None
    table_oid: Oid = 0
    is_prompt: bool = False
    """Somebody waits for it: it starts at once."""
    sqlstate: str = ""
    """Of an index's job that failed: what `details` is about, as whoever waits for it is told."""


class Statistics(msgspec.Struct, frozen=True, gc=False):
    """What ANALYZE found out about a table; beside the catalog, it is no change of it."""

    rows: int
    analyzed: int
    """When, in microseconds since 2000-01-01, UTC."""


class Catalog(msgspec.Struct, frozen=True):
    """One cluster's catalog at one version; shared by all sessions that are at it."""

    cluster: int
    version: int
    """The commit_ts of the last change; 0 before the first."""
    next_oid: Oid
    tables: Mapping[Oid, Table]
    schemas: Mapping[Oid, Schema]
    roles: Mapping[Oid, Role]
    relation_names: Mapping[tuple[Oid, str], Oid]
    """(schema, name) of tables and indexes to the oid of the relation."""
    index_tables: Mapping[Oid, Oid]
    """Index oid to the oid of its table."""
    schema_names: Mapping[str, Oid]
    role_names: Mapping[str, Oid]
    default_acls: Mapping[Oid, DefaultAcl] = {}

    def schema_of(self, table: Table) -> str:
        """The name of a table's schema."""
        schema = self.schemas.get(table.schema_oid)
        return schema.name if schema is not None else ""

    def find_index(self, oid: Oid) -> tuple[Table, Index] | None:
        """An index with its table, by the index's number; None: there is none."""
        table = self.tables.get(self.index_tables.get(oid, 0))
        if table is None:
            return None
        return table, next(each for each in table.all_indexes if each.oid == oid)

    def references_to(
        self, parents: Iterable[Table], leaving: Collection[Oid] = ()
    ) -> list[tuple[Table, ForeignKey]]:
        """Foreign keys to `parents` of tables that are not `leaving`, as the tables were made."""
        oids, children = set[Oid](), set[Oid]()
        for parent in parents:
            oids.add(parent.oid)
            children.update(parent.referenced_by)
        return [
            (self.tables[child], key)
            for child in sorted(children.difference(leaving))
            for key in self.tables[child].foreign_keys
            if key.parent in oids
        ]
