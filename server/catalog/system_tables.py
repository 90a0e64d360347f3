"""pg_catalog of users' objects: relations, columns, indexes, constraints, schemas, dependencies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from server.catalog import acl, ddl_index, privileges, role_depends, system_text
from server.catalog.acl import Items
from server.catalog.descriptor import Catalog, Check, Column, ForeignKey, Index, Job, Oid, Table, dropped_name
from server.catalog.store import ADMIN_OID, PG_CATALOG_OID, PUBLIC_OID, SYS_OID
from server.catalog.system_relation import (
    RELATIONS,
    SCHEMA_OIDS,
    SystemRelation,
    Values,
    content,
    vector,
)
from server.catalog.system_text import included
from server.sql import index_parts, types
from server.sql.types import Array, Type, row_type

TABLE_METHOD_OID, INDEX_METHOD_OID = 2, 403
"""btree_table and btree_index in pg_am, under the oids of PostgreSQL's heap and btree."""
PG_CLASS_OID, PG_NAMESPACE_OID, PG_CONSTRAINT_OID, PG_AUTHID_OID, PG_TYPE_OID = 1259, 2615, 2606, 1260, 1247
PG_ATTRDEF_OID, PG_PROC_OID = 2604, 1255
_STORAGE = {"plain": "p", "external": "e", "extended": "x", "main": "m"}


def acl_items(catalog: Catalog, items: Items) -> Array:
    """Entries as aclitem[]."""
    return Array(acl.shown(items, lambda oid: acl_name(catalog, oid)))


def acl_name(catalog: Catalog, oid: Oid) -> str:
    """A role's name in an entry; its number when it is gone."""
    role = catalog.roles.get(oid)
    return acl.quoted(role.name) if role is not None else str(oid)


def attrdef_oid(table: Oid, attnum: int) -> Oid:
    """A default has no number of its own: one made of its table and column."""
    return (1 << 31) + (table * 2048 + attnum) % (1 << 31)  # a table may have had 1,600 columns


# --- pg_class ---


@content("pg_class")
def _pg_class(env: Any) -> Iterator[Values]:
    for relation in RELATIONS.values():
        yield _system_class(relation)
    catalog: Catalog = env.catalog
    for table in catalog.tables.values():
        yield _table_class(catalog, table)
        for index in table.all_indexes:
            yield _index_class(table, index)


_SAME_CLASS: Values = {"relpersistence": "p", "relispopulated": True, "relreplident": "n"}


def _system_class(relation: SystemRelation) -> Values:
    return _SAME_CLASS | {
        "oid": relation.oid, "relname": relation.name, "relnamespace": SCHEMA_OIDS[relation.schema],
        "relowner": ADMIN_OID, "relkind": relation.kind, "relnatts": len(relation.columns), "reltuples": -1.0,
        "relam": TABLE_METHOD_OID if relation.kind == "r" else 0,
        "relacl": Array(["=r/admin"]),
    }  # fmt: skip


def _table_class(catalog: Catalog, table: Table) -> Values:
    return _SAME_CLASS | {
        "oid": table.oid, "relname": table.name, "relnamespace": table.schema_oid, "relowner": table.owner,
        "reltype": row_type(table).oid, "relam": TABLE_METHOD_OID, "relfilenode": table.oid, "reltuples": -1.0,
        "relhasindex": bool(table.all_indexes), "relkind": "r", "relnatts": len(table.columns),
        "relchecks": len(table.checks), "relreplident": "d",
        "relhastriggers": bool(table.foreign_keys or table.referenced_by),
        "relacl": acl_items(catalog, privileges.table_items(table)) if table.acl else None,
    }  # fmt: skip


def _index_class(table: Table, index: Index) -> Values:
    return _SAME_CLASS | {
        "oid": index.oid, "relname": index.name, "relnamespace": table.schema_oid, "relowner": table.owner,
        "relam": INDEX_METHOD_OID, "relfilenode": index.oid, "reltuples": -1.0, "relkind": "i",
        "relnatts": len(index.keys) + len(included(table, index)),
    }  # fmt: skip


def _with_statistics(env: Any, rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """reltuples as ANALYZE found it: it changes beside the catalog. Of an index, as many as its table has."""
    session = getattr(env, "session", None)
    known = session.node.jobs.statistics(session.cluster) if session is not None else {}
    if not known:
        return rows
    names = [column.name for column in _CLASSES_RELATION.columns]
    oid, reltuples = names.index("oid"), names.index("reltuples")
    index_tables = env.catalog.index_tables

    def amended(row: tuple[Any, ...]) -> tuple[Any, ...]:
        found = known.get(index_tables.get(row[oid], row[oid]))
        return row if found is None else (*row[:reltuples], float(found.rows), *row[reltuples + 1 :])

    return [amended(row) for row in rows]


_CLASSES_RELATION = RELATIONS["pg_catalog", "pg_class"]
_CLASSES_RELATION.amend = _with_statistics


# --- pg_attribute, pg_attrdef ---


@content("pg_attribute")
def _pg_attribute(env: Any) -> Iterator[Values]:
    for relation in RELATIONS.values():
        for column, strict in zip(relation.columns, relation.not_null, strict=True):
            facts = _attribute(relation.oid, column.attnum, column.name, column.type, column.typmod)
            yield facts | {"attnotnull": strict}
    catalog: Catalog = env.catalog
    for table in catalog.tables.values():
        for attnum, made in enumerate(table.columns, 1):
            held = acl_items(catalog, made.acl) if made.acl else None
            yield _table_attribute(table, attnum, made) | {"attacl": held}
        for index in table.all_indexes:
            yield from _index_attributes(table, index)


def _attribute(relation: Oid, attnum: int, name: str, kind: Type, typmod: int) -> dict[str, Any]:
    return {
        "attrelid": relation, "attname": name, "atttypid": kind.oid, "attlen": kind.length, "attnum": attnum,
        "attcacheoff": -1, "atttypmod": typmod, "attndims": int(kind.name.startswith("_")),
        "attbyval": kind.by_value, "attalign": kind.align, "attstorage": kind.storage, "attislocal": True,
        "attstattarget": -1, "attcollation": kind.collation,
    }  # fmt: skip


def _table_attribute(table: Table, attnum: int, column: Column) -> Values:
    kind = types.BY_OID[column.type_oid]
    if column.dropped:
        facts = _attribute(table.oid, attnum, dropped_name(attnum), kind, column.typmod)
        return facts | {"atttypid": 0, "attisdropped": True, "attstattarget": 0}
    facts = _attribute(table.oid, attnum, column.name, kind, column.typmod)
    if column.storage is not None:
        facts["attstorage"] = _STORAGE.get(column.storage.lower(), kind.storage)
    return facts | {
        "attnotnull": column.not_null, "atthasdef": column.default is not None,
        "attgenerated": "s" if column.generated else "",
    }  # fmt: skip


def _index_attributes(table: Table, index: Index) -> Iterator[Values]:
    for place, (name, kind, typmod) in enumerate(system_text.index_columns(table, index), 1):
        yield _attribute(index.oid, place, name, kind, typmod)


@content("pg_attrdef")
def _pg_attrdef(env: Any) -> Iterator[Values]:
    catalog: Catalog = env.catalog
    for table in catalog.tables.values():
        for attnum in range(1, len(table.columns) + 1):
            text = system_text.default_tree(catalog, table, attnum)
            if text is not None:
                oid = attrdef_oid(table.oid, attnum)
                yield {"oid": oid, "adrelid": table.oid, "adnum": attnum, "adbin": text}


# --- pg_index, pg_constraint ---

NULLS_FIRST_OPTION = 2
"""INDOPTION_NULLS_FIRST in pg_index.indoption."""


@content("pg_index")
def _pg_index(env: Any) -> Iterator[Values]:
    for table in env.catalog.tables.values():
        for index in table.all_indexes:
            yield _index(table, index)


def _index(table: Table, index: Index) -> Values:
    keys = [key.column for key in index.keys]
    kinds = [index_parts.key_type(table, key)[0] for key in index.keys]
    return {
        "indexrelid": index.oid, "indrelid": table.oid, "indnatts": len(keys) + len(included(table, index)),
        "indnkeyatts": len(keys), "indisunique": index.unique,
        "indnullsnotdistinct": index.nulls_not_distinct, "indisprimary": index.primary,
        "indimmediate": True, "indisvalid": index.state == "valid",
        "indisready": True, "indislive": True, "indkey": vector((*keys, *included(table, index))),
        "indcollation": vector(kind.collation for kind in kinds),
        "indclass": vector(OPCLASS_OF.get(kind.name, 0) for kind in kinds),
        "indoption": vector(NULLS_FIRST_OPTION * key.nulls_first for key in index.keys),
        "indexprs": system_text.expressions_text(table, index),
        "indpred": system_text.predicate_text(table, index),
    }  # fmt: skip


OPCLASS_OF = {
    "bool": 10003, "bpchar": 10004, "date": 3122, "float4": 10012, "float8": 3123, "int2": 1979, "int4": 1978,
    "int8": 3124, "numeric": 3125, "text": 3126, "varchar": 3126, "time": 10038, "timestamptz": 3127,
    "timestamp": 3128, "uuid": 10065, "name": 10028, "oid": 1981,
}  # fmt: skip
"""The default b-tree operator class of each type that can be a key."""


@content("pg_constraint")
def _pg_constraint(env: Any) -> Iterator[Values]:
    catalog: Catalog = env.catalog
    for table in catalog.tables.values():
        same: dict[str, Any] = {
            "connamespace": table.schema_oid, "conrelid": table.oid, "convalidated": True, "confupdtype": " ",
            "confdeltype": " ", "confmatchtype": " ", "conislocal": True,
        }  # fmt: skip
        for index in table.all_indexes:
            if index.constraint:
                yield same | {
                    "oid": index.oid, "conname": index.name, "contype": "p" if index.primary else "u",
                    "conindid": index.oid, "connoinherit": True,
                    "conkey": Array([key.column for key in index.keys]),
                }  # fmt: skip
        for check in table.checks:
            text = system_text.check_text(catalog, table, check)
            yield same | {
                "oid": check.oid, "conname": check.name, "contype": "c", "convalidated": check.validated,
                "conkey": Array(check_columns(catalog, table, check.expression)) or None, "conbin": text,
            }  # fmt: skip
        for key in table.foreign_keys:
            yield same | _foreign_key(key)


_LETTERS = {"no action": "a", "restrict": "r", "cascade": "c", "set null": "n", "set default": "d"}


def _foreign_key(key: ForeignKey) -> dict[str, Any]:
    return {
        "oid": key.oid, "conname": key.name, "contype": "f", "condeferrable": key.deferrable,
        "condeferred": key.deferred, "convalidated": key.validated, "conindid": key.parent_index,
        "confrelid": key.parent, "confupdtype": _LETTERS[key.on_update],
        "confdeltype": _LETTERS[key.on_delete], "confmatchtype": "f" if key.full else "s",
        "connoinherit": True, "conkey": Array(list(key.columns)), "confkey": Array(list(key.parent_columns)),
        "confdelsetcols": Array(list(key.set_columns)) if key.set_columns else None,
    }  # fmt: skip


def check_columns(catalog: Catalog, table: Table, expression: str) -> list[int]:
    """attnums that a check names, in the order in which it names them first."""
    return system_text.columns_in(catalog, table, expression)


# --- schemas, comments, dependencies ---


@content("pg_namespace")
def _pg_namespace(env: Any) -> Iterator[Values]:
    catalog: Catalog = env.catalog
    granted = Array(["admin=UC/admin", "=U/admin"])
    for name, oid in SCHEMA_OIDS.items():
        yield {"oid": oid, "nspname": name, "nspowner": ADMIN_OID, "nspacl": granted}
    for schema in catalog.schemas.values():
        is_told = schema.acl or schema.oid == PUBLIC_OID
        held = acl_items(catalog, privileges.schema_items(schema)) if is_told else None
        yield {"oid": schema.oid, "nspname": schema.name, "nspowner": schema.owner, "nspacl": held}


_SCHEMA_COMMENTS = {PG_CATALOG_OID: "system catalog schema", 2200: "standard public schema"}


@content("pg_description")
def _pg_description(env: Any) -> Iterator[Values]:
    catalog: Catalog = env.catalog
    schemas = {oid: schema.comment for oid, schema in catalog.schemas.items()}
    for oid, text in (_SCHEMA_COMMENTS | {oid: text for oid, text in schemas.items() if text}).items():
        yield {"objoid": oid, "classoid": PG_NAMESPACE_OID, "description": text}
    for table in catalog.tables.values():
        for class_oid, oid, attnum, comment in _comments_of(table):
            if comment is not None:
                yield {"objoid": oid, "classoid": class_oid, "objsubid": attnum, "description": comment}


def _comments_of(table: Table) -> Iterator[tuple[Oid, Oid, int, str | None]]:
    """The class, oid and attnum of everything in a table that may have a comment, and the comment."""
    yield PG_CLASS_OID, table.oid, 0, table.comment
    for attnum, column in enumerate(table.columns, 1):
        yield PG_CLASS_OID, table.oid, attnum, column.comment
    for index in table.all_indexes:
        yield PG_CLASS_OID, index.oid, 0, index.comment
        yield PG_CONSTRAINT_OID, index.oid, 0, index.constraint_comment
    for check in table.checks:
        yield PG_CONSTRAINT_OID, check.oid, 0, check.comment
    for key in table.foreign_keys:
        yield PG_CONSTRAINT_OID, key.oid, 0, key.comment


@content("pg_shdescription")
def _pg_shdescription(env: Any) -> Iterator[Values]:
    for role in env.catalog.roles.values():
        if role.comment is not None:
            yield {"objoid": role.oid, "classoid": PG_AUTHID_OID, "description": role.comment}


@content("pg_depend")
def _pg_depend(env: Any) -> Iterator[Values]:
    for table in env.catalog.tables.values():
        owned = {"refclassid": PG_CLASS_OID, "refobjid": table.oid}
        yield {
            "classid": PG_CLASS_OID, "objid": table.oid, "refclassid": PG_NAMESPACE_OID,
            "refobjid": table.schema_oid, "deptype": "n",
        }  # fmt: skip
        for attnum, column in enumerate(table.columns, 1):
            if column.default is not None and not column.dropped:
                default = {"classid": PG_ATTRDEF_OID, "objid": attrdef_oid(table.oid, attnum)} | owned
                yield default | {"refobjsubid": attnum, "deptype": "i" if column.generated else "a"}
                for source in system_text.generating_columns(env.catalog, table, attnum):
                    yield default | {"refobjsubid": source, "deptype": "n"}
        for index in table.all_indexes:
            if index.constraint:
                constraint = {"classid": PG_CONSTRAINT_OID, "objid": index.oid}
                for key in index.keys:
                    yield constraint | owned | {"refobjsubid": key.column, "deptype": "a"}
                yield {
                    "classid": PG_CLASS_OID, "objid": index.oid, "refclassid": PG_CONSTRAINT_OID,
                    "refobjid": index.oid, "deptype": "i",
                }  # fmt: skip
            else:
                for attnum in _index_depends(table, index):
                    facts = {"classid": PG_CLASS_OID, "objid": index.oid, "refobjsubid": attnum}
                    yield owned | facts | {"deptype": "a"}
        for check in table.checks:
            yield owned | {"classid": PG_CONSTRAINT_OID, "objid": check.oid, "deptype": "a"}
        for foreign in table.foreign_keys:
            yield from _foreign_key_depends(table, foreign)


def _index_depends(table: Table, index: Index) -> Iterator[int]:
    """attnums that a plain index depends on, 0 for the table: keys, expressions, predicate (index_create)."""
    plain = [key.column for key in index.keys if key.expression is None] + list(index.include)
    yield from plain or [0]
    computed = [key for key in index.keys if key.expression is not None]
    yield from sorted({attnum for key in computed for attnum in index_parts.key_columns(table, key)})
    yield from index_parts.predicate_columns(table, index)


def _foreign_key_depends(table: Table, key: ForeignKey) -> Iterator[Values]:
    constraint = {"classid": PG_CONSTRAINT_OID, "objid": key.oid, "refclassid": PG_CLASS_OID}
    for attnum in key.columns:
        yield constraint | {"refobjid": table.oid, "refobjsubid": attnum, "deptype": "a"}
    for attnum in key.parent_columns:
        yield constraint | {"refobjid": key.parent, "refobjsubid": attnum, "deptype": "n"}
    yield constraint | {"refobjid": key.parent_index, "deptype": "n"}


@content("pg_shdepend")
def _pg_shdepend(env: Any) -> Iterator[Values]:
    for each in role_depends.dependences(env.catalog):
        if each.role != ADMIN_OID:
            is_membership = each.catalog == "pg_auth_members"
            yield {
                "dbid": 0 if is_membership else 5, "classid": _CLASSES[each.catalog], "objid": each.oid,
                "objsubid": each.attnum, "refclassid": PG_AUTHID_OID, "refobjid": each.role,
                "deptype": each.kind,
            }  # fmt: skip


_CLASSES = {
    "pg_class": PG_CLASS_OID, "pg_namespace": PG_NAMESPACE_OID, "pg_default_acl": 826, "pg_auth_members": 1261,
}  # fmt: skip


@content("sys.iam_pg_role_mappings")
def _iam_pg_role_mappings(env: Any) -> Iterator[Values]:
    roles = env.catalog.roles
    for role in roles.values():
        for mapping in role.iam:
            yield {
                "iam_oid": mapping.oid, "arn": mapping.arn, "pg_role_oid": role.oid, "pg_role_name": role.name,
                "grantor_pg_role_oid": mapping.grantor, "grantor_pg_role_name": roles[mapping.grantor].name,
            }  # fmt: skip


_JOB_CLASSES = {ddl_index.VALIDATION: PG_CONSTRAINT_OID}
"""The catalog that has a job's object, where it is not pg_class."""


def _has_object(catalog: Catalog, job: Job) -> bool:
    """Whether a job's object is there still (dsql-reference §6); a job that drops one tells it itself."""
    if not job.table_oid:
        return bool(job.object_name)
    table = catalog.tables.get(job.table_oid)
    if table is None or table.oid == job.object_oid:
        return table is not None
    groups: tuple[Sequence[Index | Check | ForeignKey], ...]
    groups = table.all_indexes, table.checks, table.foreign_keys
    return any(part.oid == job.object_oid for group in groups for part in group)


@content("sys.jobs", "none")
def _jobs(env: Any) -> Iterator[Values]:
    session = env.session
    for job in session.node.jobs.jobs(session.cluster):
        yield {
            "job_id": job.job_id, "status": job.status, "details": job.details, "job_type": job.job_type,
            "class_id": _JOB_CLASSES.get(job.job_type, PG_CLASS_OID), "object_id": job.object_oid,
            "object_name": job.object_name if _has_object(env.catalog, job) else None,
            "start_time": job.start_time // 1_000_000 * 1_000_000,
            "update_time": None if job.update_time is None else job.update_time // 1_000_000 * 1_000_000,
        }  # fmt: skip


__all__ = ["SYS_OID", "acl_items", "attrdef_oid"]
