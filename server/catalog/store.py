"""Catalog rows: their keys and values, and the shared catalog of a cluster as commits change it (DESIGN §6.7).

Reserved index ids of every cluster (format on disk, ARCHITECTURE):

    1 version    one row: [next oid]; every change of the catalog writes it, so two concurrent ones conflict
    2 schemas    key + 4-byte oid -> Schema        4 roles   key + 4-byte oid -> Role
    3 tables     key + 4-byte oid -> Table         5 jobs    key + job id     -> Job
    6, 7         which clusters there are (server.catalog.clusters)
    8 default privileges   key + 4-byte oid -> DefaultAcl
    9 statistics   key + 4-byte oid of a table -> Statistics

Values are msgpack maps of the descriptors in `server.catalog.descriptor`. The row of an object is also its
marker: a transaction that used the object asks the adjudicator whether it was written after its start (AR §3.13).
"""

import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol, TypeVar

import msgspec

from journal.record import Commit, Write
from server.catalog.descriptor import (
    FIRST_USER_OID,
    Catalog,
    DefaultAcl,
    Job,
    Membership,
    Oid,
    Role,
    Schema,
    Statistics,
    Table,
)
from storage import keycode

VERSION, SCHEMAS, TABLES, ROLES, JOBS = 1, 2, 3, 4, 5
DEFAULT_ACLS, STATISTICS = 8, 9
LAST_RESERVED = 15
_FIRST_UNRESERVED = (LAST_RESERVED + 1).to_bytes(4, "big")

PUBLIC_OID = 2200
PG_CATALOG_OID = 11
INFORMATION_SCHEMA_OID = 13000
SYS_OID = 13900
OPENDSQL_OID = 13800
ADMIN_OID = 10

_encode = msgspec.msgpack.Encoder().encode
_decode_table = msgspec.msgpack.Decoder(Table).decode
_decode_schema = msgspec.msgpack.Decoder(Schema).decode
_decode_role_row = msgspec.msgpack.Decoder(Role).decode
_decode_default_acl = msgspec.msgpack.Decoder(DefaultAcl).decode
_decode_job = msgspec.msgpack.Decoder(Job).decode
_decode_statistics = msgspec.msgpack.Decoder(Statistics).decode
_decode_version = msgspec.msgpack.Decoder(list[int]).decode


T = TypeVar("T", Schema, Table, Role, DefaultAcl)


def _decode_role(row: bytes) -> Role:
    role = _decode_role_row(row)
    if not role.member_of:
        return role
    made = tuple(
        Membership((1 << 31) + (group * 4096 + role.oid) % (1 << 31), group, ADMIN_OID, inherit=role.inherit)
        for group in role.member_of
    )
    return msgspec.structs.replace(role, member_of=(), memberships=(*made, *role.memberships))


class Versions(Protocol):
    """What reading the catalog needs of storage."""

    def get(self, key: bytes, ts: int) -> bytes | None: ...

    def scan_stamped(
        self, lo: bytes, hi: bytes, ts: int, limit: int = 256
    ) -> tuple[list[tuple[bytes, int, bytes]], bytes | None]: ...


def version_key(cluster: int) -> bytes:
    """The one row that every change of the catalog writes."""
    return keycode.prefix(cluster, VERSION)


@functools.lru_cache(4096)
def object_key(cluster: int, space: int, oid: Oid) -> bytes:
    """The row of a schema, table, role or of default privileges."""
    return keycode.prefix(cluster, space) + oid.to_bytes(4, "big")


def table_key(cluster: int, oid: Oid) -> bytes:
    return object_key(cluster, TABLES, oid)


def job_key(cluster: int, job_id: str) -> bytes:
    return keycode.prefix(cluster, JOBS) + job_id.encode()


def is_job_key(key: bytes) -> bool:
    """Whether it is of a job's row."""
    return key[4:8] == b"\0\0\0" + bytes([JOBS])


def statistics_key(cluster: int, oid: Oid) -> bytes:
    """The row of what is known about a table's rows."""
    return object_key(cluster, STATISTICS, oid)


def encode(descriptor: Schema | Table | Role | DefaultAcl | Job | Statistics) -> bytes:
    """The value of an object's row."""
    return _encode(descriptor)


def encode_version(next_oid: Oid) -> bytes:
    return _encode([next_oid])


def decode_job(value: bytes) -> Job:
    return _decode_job(value)


def is_submitted_job(write: Write) -> bool:
    """Whether it is the row of a job that is to be run."""
    if write.value is None or not is_job_key(write.key):
        return False
    return decode_job(write.value).status == "submitted"


def is_catalog_key(key: bytes) -> bool:
    """Whether the key lies in one of the reserved spaces."""
    return key[4:8] < _FIRST_UNRESERVED


def catalog_commits(commits: Iterable[Commit]) -> list[Commit]:
    """Those that write a key of a reserved space."""
    found = []
    for commit in commits:
        for write in commit.writes:
            if write.key[4:8] < _FIRST_UNRESERVED:
                found.append(commit)
                break
    return found


def is_version_key(key: bytes) -> bool:
    """Whether it is a cluster's version row."""
    return key[4:8] == b"\0\0\0" + bytes([VERSION]) and len(key) == 8


def note_version(versions: dict[int, int], write: Write, commit_ts: int) -> None:
    """Keep the commit_ts of a version row that is written, by cluster; its deletion, which drops it, is one too."""
    versions[int.from_bytes(write.key[:4], "big")] = commit_ts


def bootstrap(cluster: int) -> list[Write]:
    """The writes of a fresh cluster: one commit (DESIGN §8)."""
    exclusive = 3
    rows: list[tuple[bytes, bytes]] = [
        (version_key(cluster), encode_version(FIRST_USER_OID)),
        (object_key(cluster, SCHEMAS, PUBLIC_OID), encode(Schema(PUBLIC_OID, "public", ADMIN_OID))),
        (object_key(cluster, ROLES, ADMIN_OID), encode(Role(ADMIN_OID, "admin"))),
    ]
    return [Write(key, value, exclusive) for key, value in rows]


def make(
    cluster: int,
    version: int,
    next_oid: Oid,
    tables: dict[Oid, Table],
    schemas: dict[Oid, Schema],
    roles: dict[Oid, Role],
    default_acls: Mapping[Oid, DefaultAcl] | None = None,
) -> Catalog:
    """A catalog with its indexes by name."""
    relation_names: dict[tuple[Oid, str], Oid] = {}
    index_tables: dict[Oid, Oid] = {}
    for table in tables.values():
        relation_names[table.schema_oid, table.name] = table.oid
        for index in table.indexes:
            relation_names[table.schema_oid, index.name] = index.oid
            index_tables[index.oid] = table.oid
        if table.primary_key is not None:
            relation_names[table.schema_oid, table.primary_key.name] = table.primary_key.oid
            index_tables[table.primary_key.oid] = table.oid
    return Catalog(
        cluster=cluster,
        version=version,
        next_oid=next_oid,
        tables=tables,
        schemas=schemas,
        roles=roles,
        relation_names=relation_names,
        index_tables=index_tables,
        schema_names={schema.name: schema.oid for schema in schemas.values()},
        role_names={role.name: role.oid for role in roles.values()},
        default_acls=default_acls or {},
    )


def load(
    versions: Versions, cluster: int, ts: int, version: int, before: Catalog | None = None
) -> Catalog | None:
    """Read a cluster's catalog as of `ts`; None when there is no such cluster.

    An object's version is the time its row was written. One that `before`, an older catalog of the cluster,
    holds in that version is taken from there, so that it stays the same object.
    """
    row = versions.get(version_key(cluster), ts)
    if row is None:
        return None
    known = before or Catalog(cluster, 0, 0, {}, {}, {}, {}, {}, {}, {})
    return make(
        cluster,
        version,
        _decode_version(row)[0],
        _load(versions, cluster, TABLES, ts, _decode_table, known.tables),
        _load(versions, cluster, SCHEMAS, ts, _decode_schema, known.schemas),
        _load(versions, cluster, ROLES, ts, _decode_role, known.roles),
        _load(versions, cluster, DEFAULT_ACLS, ts, _decode_default_acl, known.default_acls),
    )


def version_at(versions: Versions, cluster: int, ts: int) -> int | None:
    """When the catalog that a cluster has as of `ts` was made; None when there is no such cluster."""
    key = version_key(cluster)
    rows, _rest = versions.scan_stamped(key, key + b"\0", ts, 1)
    return rows[0][1] if rows else None


def _load(
    versions: Versions,
    cluster: int,
    space: int,
    ts: int,
    decode: Callable[[bytes], T],
    known: Mapping[Oid, T],
) -> dict[Oid, T]:
    lo = keycode.prefix(cluster, space)
    hi = keycode.successor(lo)
    start: bytes | None = lo
    found: dict[Oid, T] = {}
    while start is not None:
        items, start = versions.scan_stamped(start, hi, ts, 1024)
        for key, commit_ts, row in items:
            oid = int.from_bytes(key[8:12], "big")
            there = known.get(oid)
            if there is None or there.version != commit_ts:
                there = msgspec.structs.replace(decode(row), version=commit_ts)
            found[oid] = there
    return found


def find_job(versions: Versions, cluster: int, job_id: str, ts: int) -> Job | None:
    """A job as of `ts`."""
    value = versions.get(job_key(cluster, job_id), ts)
    return decode_job(value) if value is not None else None


def read_jobs(versions: Versions, cluster: int, ts: int) -> list[Job]:
    """All jobs of a cluster as of `ts`, oldest first."""
    lo = keycode.prefix(cluster, JOBS)
    start: bytes | None = lo
    found: list[Job] = []
    while start is not None:
        items, start = versions.scan_stamped(start, keycode.successor(lo), ts, 1024)
        found.extend(decode_job(value) for _key, _commit_ts, value in items)
    return sorted(found, key=lambda job: job.start_time)


def read_statistics(versions: Versions, cluster: int, ts: int) -> dict[Oid, Statistics]:
    """What is known about tables as of `ts`, by their oids."""
    lo = keycode.prefix(cluster, STATISTICS)
    start: bytes | None = lo
    found: dict[Oid, Statistics] = {}
    while start is not None:
        items, start = versions.scan_stamped(start, keycode.successor(lo), ts, 1024)
        for key, _commit_ts, value in items:
            found[int.from_bytes(key[8:12], "big")] = _decode_statistics(value)
    return found


def changed(catalog: Catalog, writes: Iterable[Write], commit_ts: int, *, pending: bool = False) -> Catalog:
    """The catalog after a commit with these writes; the same object when none of them is the version row.

    `pending`: inside the transaction that makes the change, whose commit_ts is not known yet.
    """
    tables, schemas, roles = dict(catalog.tables), dict(catalog.schemas), dict(catalog.roles)
    default_acls = dict(catalog.default_acls)
    spaces: dict[int, tuple[dict[Oid, Any], Any]] = {
        TABLES: (tables, _decode_table),
        SCHEMAS: (schemas, _decode_schema),
        ROLES: (roles, _decode_role),
        DEFAULT_ACLS: (default_acls, _decode_default_acl),
    }
    next_oid = catalog.next_oid
    touched = False
    for write in writes:
        if not is_catalog_key(write.key):
            continue
        space = write.key[7]
        if space == VERSION:
            touched = True
            if write.value is not None:
                next_oid = _decode_version(write.value)[0]
        elif space in spaces:
            objects, decode = spaces[space]
            oid = int.from_bytes(write.key[8:12], "big")
            if write.value is None:
                objects.pop(oid, None)
            else:
                version = -1 if pending else commit_ts
                objects[oid] = msgspec.structs.replace(decode(write.value), version=version)
    if not touched:
        return catalog
    return make(catalog.cluster, commit_ts, next_oid, tables, schemas, roles, default_acls)
