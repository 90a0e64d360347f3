"""information_schema as PostgreSQL 16 has it (chapter 37): only what the user may know of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from server.catalog import acl, procedures, system_text
from server.catalog.acl import Items
from server.catalog.descriptor import Catalog, Column, ForeignKey, Index, Oid, Table
from server.catalog.privileges import privileged, role_oid, schema_items, table_items
from server.catalog.store import ADMIN_OID
from server.catalog.system_relation import RELATIONS, SCHEMA_OIDS, Values, content
from server.catalog.system_tables import check_columns
from server.catalog.system_views import role_name
from server.sql import functions, types
from server.sql.type_names import format_type
from server.sql.types import Type

_MAX_TEXT = 1 << 30
"""character_octet_length of text without a limit."""


def visible_tables(env: Any) -> Iterator[tuple[str, Table]]:
    """(schema, table) of the tables that the user owns or holds a privilege on, if only on a column."""
    catalog = env.catalog
    roles = privileged(catalog, catalog.role_names[env.user])
    for table in catalog.tables.values():
        if table.owner in roles or acl.held(table_items(table), roles) or _column_letters(table, roles):
            yield catalog.schema_of(table), table


def _column_letters(table: Table, roles: acl.Roles) -> str:
    """What the roles hold on single columns."""
    return "".join(acl.held(column.acl, roles) for column in table.columns if column.acl)


def _may_see(env: Any, table: Table, column: Column) -> bool:
    """Whether the column shows to the user: it has a privilege on it, or is its owner."""
    roles = privileged(env.catalog, env.catalog.role_names[env.user])
    held = acl.held(table_items(table), roles) + acl.held(column.acl, roles)
    return table.owner in roles or bool(set(held) & set(acl.ALL["column"]))


def _owned_tables(env: Any) -> Iterator[tuple[str, Table]]:
    """The tables of the user's roles: only they tell of the insides of constraints."""
    catalog = env.catalog
    roles = privileged(catalog, catalog.role_names[env.user])
    for table in catalog.tables.values():
        if table.owner in roles:
            yield catalog.schema_of(table), table


def _changeable_tables(env: Any) -> Iterator[tuple[str, Table]]:
    """Tables with a privilege beside SELECT: their constraints show."""
    catalog = env.catalog
    roles = privileged(catalog, catalog.role_names[env.user])
    for schema, table in visible_tables(env):
        held = set(acl.held(table_items(table), roles)) | set(_column_letters(table, roles))
        if table.owner in roles or held - {"r"}:
            yield schema, table


def _yes(flag: bool) -> str:
    return "YES" if flag else "NO"


def _named(env: Any, prefix: str, schema: str, name: str) -> dict[str, Any]:
    return {f"{prefix}_catalog": env.database, f"{prefix}_schema": schema, f"{prefix}_name": name}


# --- tables and columns ---


@content("information_schema.tables", "user")
def _tables(env: Any) -> Iterator[Values]:
    for relation in RELATIONS.values():
        base = relation.kind == "r"
        yield _named(env, "table", relation.schema, relation.name) | {
            "table_type": "BASE TABLE" if base else "VIEW", "is_insertable_into": "NO", "is_typed": "NO",
        }  # fmt: skip
    for schema, table in visible_tables(env):
        yield _named(env, "table", schema, table.name) | {
            "table_type": "BASE TABLE", "is_insertable_into": "YES", "is_typed": "NO",
        }  # fmt: skip


@content("information_schema.views", "user")
def _views(env: Any) -> Iterator[Values]:
    for relation in RELATIONS.values():
        if relation.kind == "v":
            yield _named(env, "table", relation.schema, relation.name) | {
                "check_option": "NONE", "is_updatable": "NO", "is_insertable_into": "NO",
                "is_trigger_updatable": "NO", "is_trigger_deletable": "NO",
                "is_trigger_insertable_into": "NO",
            }  # fmt: skip


_STRINGS = frozenset(("text", "varchar", "bpchar"))
_INTEGER_BITS = {"int2": 16, "int4": 32, "int8": 64}
_FLOAT_BITS = {"float4": 24, "float8": 53}
_PRECISE = frozenset(("time", "timetz", "timestamp", "timestamptz"))


def type_facts(kind: Type, typmod: int) -> dict[str, Any]:
    """data_type and its limits (information_schema's functions _pg_char_max_length and the like)."""
    facts: dict[str, Any] = {
        "data_type": "ARRAY" if kind.name.startswith("_") else format_type(kind.oid),
        "udt_schema": "pg_catalog", "udt_name": kind.name,
    }  # fmt: skip
    if kind.name in _STRINGS:
        limited = typmod >= 4 and kind is not types.TEXT
        facts["character_maximum_length"] = typmod - 4 if limited else None
        facts["character_octet_length"] = (typmod - 4) * 4 if limited else _MAX_TEXT
    elif kind.name in _INTEGER_BITS:
        facts |= {
            "numeric_precision": _INTEGER_BITS[kind.name],
            "numeric_precision_radix": 2,
            "numeric_scale": 0,
        }
    elif kind.name in _FLOAT_BITS:
        facts |= {"numeric_precision": _FLOAT_BITS[kind.name], "numeric_precision_radix": 2}
    elif kind is types.NUMERIC:
        facts["numeric_precision_radix"] = 10
        if typmod >= 4:
            facts |= {"numeric_precision": (typmod - 4) >> 16, "numeric_scale": (typmod - 4) & 0x7FF}
    elif kind is types.DATE:
        facts["datetime_precision"] = 0
    elif kind.name in _PRECISE:
        facts["datetime_precision"] = typmod if typmod >= 0 else 6
    elif kind is types.INTERVAL:
        facts |= _interval_facts(typmod)
    return facts


def _interval_facts(typmod: int) -> dict[str, Any]:
    digits = typmod & 0xFFFF if typmod >= 0 else 0xFFFF
    words = format_type(types.INTERVAL.oid, typmod).partition("(")[0].split(" ", 1)
    fields = words[1].upper() if len(words) > 1 else None
    return {"datetime_precision": 6 if digits == 0xFFFF else digits, "interval_type": fields}


_SAME_COLUMN = {
    "is_self_referencing": "NO", "is_identity": "NO", "identity_cycle": "NO", "is_generated": "NEVER",
}  # fmt: skip


@content("information_schema.columns", "user")
def _columns(env: Any) -> Iterator[Values]:
    for relation in RELATIONS.values():
        for column, strict in zip(relation.columns, relation.not_null, strict=True):
            facts = _column(env, relation.schema, relation.name, column.attnum, column.type, column.typmod)
            yield facts | {"column_name": column.name, "is_nullable": _yes(not strict), "is_updatable": "NO"}
    for schema, table in visible_tables(env):
        for attnum, made in enumerate(table.columns, 1):
            if made.dropped or not _may_see(env, table, made):
                continue
            kind = types.BY_OID[made.type_oid]
            yield _column(env, schema, table.name, attnum, kind, made.typmod) | {
                "column_name": made.name, "is_nullable": _yes(not made.not_null), "is_updatable": "YES",
            } | _value(env.catalog, table, attnum)  # fmt: skip


def _column(env: Any, schema: str, table: str, attnum: int, kind: Type, typmod: int) -> dict[str, Any]:
    return _SAME_COLUMN | _named(env, "table", schema, table) | type_facts(kind, typmod) | {
        "ordinal_position": attnum, "dtd_identifier": str(attnum), "udt_catalog": env.database,
    }  # fmt: skip


def _value(catalog: Catalog, table: Table, attnum: int) -> dict[str, Any]:
    """A column's default, or what generates it."""
    text = system_text.default_text(catalog, table, attnum)
    if table.columns[attnum - 1].generated:
        return {"is_generated": "ALWAYS", "generation_expression": text}
    return {"column_default": text}


@content("information_schema.column_column_usage", "user")
def _column_column_usage(env: Any) -> Iterator[Values]:
    for schema, table in _owned_tables(env):
        for attnum, column in enumerate(table.columns, 1):
            for source in system_text.generating_columns(env.catalog, table, attnum):
                yield _named(env, "table", schema, table.name) | {
                    "column_name": table.columns[source - 1].name, "dependent_column": column.name,
                }  # fmt: skip


@content("information_schema.element_types", "user")
def _element_types(env: Any) -> Iterator[Values]:
    for schema, table in visible_tables(env):
        for attnum, column in enumerate(table.columns, 1):
            kind = types.BY_OID[column.type_oid]
            if column.dropped or not kind.name.startswith("_") or kind.element is None:
                continue
            yield _named(env, "object", schema, table.name) | {
                "object_type": "TABLE", "collection_type_identifier": str(attnum),
                "data_type": format_type(kind.element.oid), "udt_catalog": env.database,
                "udt_schema": "pg_catalog", "udt_name": kind.element.name, "dtd_identifier": f"a{attnum}",
            }  # fmt: skip


@content("information_schema.schemata", "user")
def _schemata(env: Any) -> Iterator[Values]:
    catalog = env.catalog
    roles = privileged(catalog, catalog.role_names[env.user])
    found = [(name, ADMIN_OID, True) for name in SCHEMA_OIDS]
    for schema in catalog.schemas.values():
        found.append((schema.name, schema.owner, bool(acl.held(schema_items(schema), roles))))
    for name, owner, usable in found:
        if usable or owner in roles:
            yield {"catalog_name": env.database, "schema_name": name, "schema_owner": role_name(env, owner)}


# --- constraints ---


def _keys(table: Table) -> Iterator[Index]:
    return (index for index in table.all_indexes if index.constraint)


def _not_null_names(table: Table) -> Iterator[tuple[str, str]]:
    """(constraint name, condition): NOT NULL columns show as CHECK constraints."""
    for attnum, column in enumerate(table.columns, 1):
        if column.not_null and not column.dropped:
            yield f"{table.schema_oid}_{table.oid}_{attnum}_not_null", f"{column.name} IS NOT NULL"


@content("information_schema.table_constraints", "user")
def _table_constraints(env: Any) -> Iterator[Values]:
    for schema, table in _changeable_tables(env):
        named = _named(env, "table", schema, table.name) | {
            "is_deferrable": "NO", "initially_deferred": "NO", "enforced": "YES",
        }  # fmt: skip
        for index in _keys(table):
            distinct = None if index.primary else _yes(not index.nulls_not_distinct)
            yield named | _named(env, "constraint", schema, index.name) | {
                "constraint_type": "PRIMARY KEY" if index.primary else "UNIQUE", "nulls_distinct": distinct,
            }  # fmt: skip
        for foreign in table.foreign_keys:
            yield named | _named(env, "constraint", schema, foreign.name) | {
                "constraint_type": "FOREIGN KEY", "is_deferrable": _yes(foreign.deferrable),
                "initially_deferred": _yes(foreign.deferred),
            }  # fmt: skip
        names = [*(check.name for check in table.checks), *(name for name, _ in _not_null_names(table))]
        for name in names:
            yield named | _named(env, "constraint", schema, name) | {"constraint_type": "CHECK"}


@content("information_schema.check_constraints", "user")
def _check_constraints(env: Any) -> Iterator[Values]:
    for schema, table in _owned_tables(env):
        for check in table.checks:
            text = system_text.check_text(env.catalog, table, check)
            yield _named(env, "constraint", schema, check.name) | {"check_clause": f"({text})"}
        for name, clause in _not_null_names(table):
            yield _named(env, "constraint", schema, name) | {"check_clause": clause}


@content("information_schema.key_column_usage", "user")
def _key_column_usage(env: Any) -> Iterator[Values]:
    for schema, table in visible_tables(env):
        for index in _keys(table):
            for place, key in enumerate(index.keys, 1):
                column = {"column_name": table.columns[key.column - 1].name, "ordinal_position": place}
                names = _named(env, "constraint", schema, index.name)
                yield names | _named(env, "table", schema, table.name) | column
        for foreign in table.foreign_keys:
            names = _named(env, "constraint", schema, foreign.name) | _named(env, "table", schema, table.name)
            order = [part.column for part in _index_behind(env, foreign).keys]
            for place, (attnum, parent) in enumerate(zip(foreign.columns, foreign.parent_columns), 1):
                yield names | {
                    "column_name": table.columns[attnum - 1].name, "ordinal_position": place,
                    "position_in_unique_constraint": order.index(parent) + 1,
                }  # fmt: skip


def _index_behind(env: Any, key: ForeignKey) -> Index:
    parent: Table = env.catalog.tables[key.parent]
    return next(each for each in parent.all_indexes if each.oid == key.parent_index)


@content("information_schema.referential_constraints", "user")
def _referential_constraints(env: Any) -> Iterator[Values]:
    for schema, table in _changeable_tables(env):
        for key in table.foreign_keys:
            index, parent = _index_behind(env, key), env.catalog.tables[key.parent]
            unique: Values = {}
            if index.constraint:
                named = env.catalog.schema_of(parent)
                unique = _named(env, "unique_constraint", named, index.name)
            yield _named(env, "constraint", schema, key.name) | unique | {
                "match_option": "FULL" if key.full else "NONE", "update_rule": key.on_update.upper(),
                "delete_rule": key.on_delete.upper(),
            }  # fmt: skip


def _references_to(env: Any, parent: Table) -> Iterator[tuple[str, ForeignKey]]:
    """Foreign keys that refer to a table, each with its own schema."""
    for child, key in env.catalog.references_to([parent]):
        yield env.catalog.schema_of(child), key


@content("information_schema.constraint_column_usage", "user")
def _constraint_column_usage(env: Any) -> Iterator[Values]:
    for schema, table in _owned_tables(env):
        for index in _keys(table):
            for key in index.keys:
                yield _usage(env, schema, table, index.name, key.column)
        for check in table.checks:
            for attnum in check_columns(env.catalog, table, check.expression):
                yield _usage(env, schema, table, check.name, attnum)
        for of, foreign in _references_to(env, table):
            for attnum in foreign.parent_columns:
                yield _usage(env, schema, table, foreign.name, attnum) | _named(
                    env, "constraint", of, foreign.name
                )


def _usage(env: Any, schema: str, table: Table, constraint: str, attnum: int) -> Values:
    names = _named(env, "constraint", schema, constraint) | _named(env, "table", schema, table.name)
    return names | {"column_name": table.columns[attnum - 1].name}


@content("information_schema.constraint_table_usage", "user")
def _constraint_table_usage(env: Any) -> Iterator[Values]:
    for schema, table in _owned_tables(env):
        for index in _keys(table):
            names = _named(env, "constraint", schema, index.name)
            yield names | _named(env, "table", schema, table.name)
        for of, foreign in _references_to(env, table):
            yield _named(env, "constraint", of, foreign.name) | _named(env, "table", schema, table.name)


# --- privileges and roles ---


Grant = tuple[str, str, str, bool]
"""(grantor, grantee, privilege, may be granted on)."""


def _enabled(env: Any) -> acl.Roles:
    return privileged(env.catalog, env.catalog.role_names[env.user])


def _grants(env: Any, items: Items, owner: Oid, among: str, public: bool) -> Iterator[Grant]:
    """What entries say of roles of the user, as far as it is about the privileges `among`."""
    enabled = _enabled(env)
    for grantee, letters, grantor in items:
        if grantee == acl.PUBLIC:
            if not public:
                continue
        elif grantee not in enabled and grantor not in enabled:
            continue
        name = "PUBLIC" if grantee == acl.PUBLIC else role_name(env, grantee)
        free = acl.grantable(letters)
        for letter in acl.common(acl.without(letters, "*"), among):
            owned = grantee != acl.PUBLIC and owner in privileged(env.catalog, grantee)
            yield role_name(env, grantor), name, acl.NAMES[letter], owned or letter in free


def _all_tables(env: Any) -> Iterator[tuple[str, Table]]:
    for table in env.catalog.tables.values():
        yield env.catalog.schema_of(table), table


def _table_privileges(env: Any, public: bool) -> Iterator[Values]:
    for schema, table in _all_tables(env):
        items = table_items(table)
        for grantor, grantee, privilege, free in _grants(env, items, table.owner, acl.ORDER, public):
            yield _named(env, "table", schema, table.name) | {
                "grantor": grantor, "grantee": grantee, "privilege_type": privilege,
                "is_grantable": _yes(free), "with_hierarchy": _yes(privilege == "SELECT"),
            }  # fmt: skip


@content("information_schema.table_privileges", "user")
def _all_table_privileges(env: Any) -> Iterator[Values]:
    return _table_privileges(env, True)


@content("information_schema.role_table_grants", "user")
def _role_table_grants(env: Any) -> Iterator[Values]:
    return _table_privileges(env, False)


def _column_privileges(env: Any, public: bool) -> Iterator[Values]:
    """Those of the table, which are those of all its columns, and their own."""
    among = acl.ALL["column"]
    for schema, table in _all_tables(env):
        of_table = list(_grants(env, table_items(table), table.owner, among, public))
        for column in table.columns:
            own = _grants(env, column.acl, table.owner, among, public)
            grants = () if column.dropped else dict.fromkeys([*of_table, *own])
            for grantor, grantee, privilege, free in grants:
                yield _named(env, "table", schema, table.name) | {
                    "grantor": grantor, "grantee": grantee, "column_name": column.name,
                    "privilege_type": privilege, "is_grantable": _yes(free),
                }  # fmt: skip


@content("information_schema.column_privileges", "user")
def _all_column_privileges(env: Any) -> Iterator[Values]:
    return _column_privileges(env, True)


@content("information_schema.role_column_grants", "user")
def _role_column_grants(env: Any) -> Iterator[Values]:
    return _column_privileges(env, False)


@content("information_schema.enabled_roles", "user")
def _enabled_roles(env: Any) -> Iterator[Values]:
    enabled = _enabled(env)
    for oid, role in env.catalog.roles.items():
        if oid in enabled:
            yield {"role_name": role.name}


@content("information_schema.applicable_roles", "user")
def _applicable_roles(env: Any) -> Iterator[Values]:
    return _memberships(env, _enabled(env))


@content("information_schema.administrable_role_authorizations", "user")
def _administrable_roles(env: Any) -> Iterator[Values]:
    return (row for row in _memberships(env, _enabled(env)) if row["is_grantable"] == "YES")


def _memberships(env: Any, enabled: acl.Roles) -> Iterator[Values]:
    """One row per grantee and role, as the view's UNION gives it."""
    rows = {
        (role.name, role_name(env, each.role), _yes(each.admin))
        for oid, role in env.catalog.roles.items()
        if oid in enabled
        for each in role.memberships
    }
    for grantee, name, free in sorted(rows):
        yield {"grantee": grantee, "role_name": name, "is_grantable": free}


# --- what is built in ---


@content("information_schema.information_schema_catalog_name", "none")
def _catalog_name(env: Any) -> Iterator[Values]:
    yield {"catalog_name": env.database}


@content("information_schema.character_sets", "none")
def _character_sets(env: Any) -> Iterator[Values]:
    yield {
        "character_set_name": "UTF8", "character_repertoire": "UCS", "form_of_use": "UTF8",
        "default_collate_catalog": env.database, "default_collate_schema": "pg_catalog",
        "default_collate_name": "C",
    }  # fmt: skip


@content("information_schema.collations", "none")
def _collations(env: Any) -> Iterator[Values]:
    for name in ("default", "C", "POSIX"):
        yield _named(env, "collation", "pg_catalog", name) | {"pad_attribute": "NO PAD"}


def _routine(env: Any, entry: functions.Function | procedures.Procedure) -> Values:
    specific = _named(env, "specific", entry.schema, f"{entry.name}_{entry.oid}")
    return specific | _named(env, "routine", entry.schema, entry.name) | {
        "routine_body": "EXTERNAL", "external_name": entry.name, "external_language": "INTERNAL",
        "parameter_style": "GENERAL", "sql_data_access": "MODIFIES", "security_type": "INVOKER",
    }  # fmt: skip


def _procedures(env: Any) -> Iterator[procedures.Procedure]:
    """Those that the user may call."""
    is_admin = privileged(env.catalog, role_oid(env.catalog, env.user)) is acl.EVERY
    return (each for each in procedures.BY_OID.values() if is_admin or not each.admin_only)


@content("information_schema.routines", "user")
def _routines(env: Any) -> Iterator[Values]:
    for entry in functions.FUNCTION_BY_OID.values():
        element = entry.result.name.startswith("_")
        yield _routine(env, entry) | {
            "routine_type": "FUNCTION", "data_type": "ARRAY" if element else format_type(entry.result.oid),
            "type_udt_catalog": env.database, "type_udt_schema": "pg_catalog",
            "type_udt_name": entry.result.name, "dtd_identifier": "0",
            "is_deterministic": _yes(entry.volatility == "i"),
            "is_null_call": _yes(entry.strict), "schema_level_routine": "YES", "max_dynamic_result_sets": 0,
            "as_locator": "NO", "is_udt_dependent": "NO",
        }  # fmt: skip
    for procedure in _procedures(env):
        yield _routine(env, procedure) | {
            "routine_type": "PROCEDURE", "is_deterministic": "NO", "schema_level_routine": "YES",
            "max_dynamic_result_sets": 0,
        }  # fmt: skip


@content("information_schema.parameters", "user")
def _parameters(env: Any) -> Iterator[Values]:
    entries: list[functions.Function | procedures.Procedure] = list(functions.FUNCTION_BY_OID.values())
    for entry in entries + list(_procedures(env)):
        for place, kind in enumerate(entry.args, 1):
            name = entry.arg_names[place - 1] if entry.arg_names else None
            element = kind.name.startswith("_")
            yield _named(env, "specific", entry.schema, f"{entry.name}_{entry.oid}") | {
                "ordinal_position": place, "parameter_mode": "IN", "is_result": "NO", "as_locator": "NO",
                "parameter_name": name, "data_type": "ARRAY" if element else format_type(kind.oid),
                "udt_catalog": env.database, "udt_schema": "pg_catalog", "udt_name": kind.name,
                "dtd_identifier": str(place),
            }  # fmt: skip
