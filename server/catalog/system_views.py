"""pg_catalog's views of users' objects, roles, settings and sessions (PostgreSQL, chapter 54)."""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterator
from typing import Any

from server.catalog import system_text
from server.catalog.descriptor import Role
from server.catalog.store import ADMIN_OID
from server.catalog.system_relation import RELATIONS, Values, content
from server.catalog.system_tables import acl_items
from server.catalog.system_text import schema_name
from server.errors import PgError
from server.session.settings import ALL
from server.sql import types
from server.sql.interval import Interval
from server.sql.types import Array
from server.sql.zone_abbreviations import ABBREVIATIONS
from server.sql.zones import find_zone

# --- tables and indexes ---


@content("pg_tables")
def _pg_tables(env: Any) -> Iterator[Values]:
    for relation in RELATIONS.values():
        if relation.kind == "r":
            yield _SAME_TABLE | {
                "schemaname": relation.schema, "tablename": relation.name, "tableowner": "admin",
            }  # fmt: skip
    catalog = env.catalog
    for table in catalog.tables.values():
        yield _SAME_TABLE | {
            "schemaname": schema_name(catalog, table.schema_oid), "tablename": table.name,
            "tableowner": role_name(env, table.owner), "hasindexes": bool(table.all_indexes),
        }  # fmt: skip


_SAME_TABLE: Values = {"hasindexes": False, "hasrules": False, "hastriggers": False, "rowsecurity": False}


@content("pg_indexes")
def _pg_indexes(env: Any) -> Iterator[Values]:
    catalog = env.catalog
    for table in catalog.tables.values():
        for index in table.all_indexes:
            yield {
                "schemaname": schema_name(catalog, table.schema_oid), "tablename": table.name,
                "indexname": index.name,
                "indexdef": system_text.index_definition(catalog, table, index, qualified=True),
            }  # fmt: skip


@content("pg_views", "static")
def _pg_views(env: Any) -> Iterator[Values]:
    for relation in RELATIONS.values():
        if relation.kind == "v":
            yield {"schemaname": relation.schema, "viewname": relation.name, "viewowner": "admin"}


# --- roles ---


def role_name(env: Any, oid: int) -> str:
    """A role's name; PostgreSQL's text for one that is gone."""
    role = env.catalog.roles.get(oid)
    return role.name if role is not None else f"unknown (OID={oid})"


def _role_facts(role: Role) -> dict[str, Any]:
    is_admin = role.oid == ADMIN_OID
    return {
        "oid": role.oid, "rolname": role.name, "rolsuper": False, "rolinherit": role.inherit,
        "rolcreaterole": is_admin, "rolcreatedb": False, "rolcanlogin": role.login, "rolreplication": False,
        "rolconnlimit": -1, "rolbypassrls": False,
    }  # fmt: skip


def _only_admin(env: Any, what: str) -> None:
    if env.user != "admin":
        raise PgError("42501", f"permission denied for {what}")


@content("pg_authid", "none")
def _pg_authid(env: Any) -> Iterator[Values]:
    _only_admin(env, "table pg_authid")
    for role in env.catalog.roles.values():
        yield _role_facts(role)


@content("pg_roles")
def _pg_roles(env: Any) -> Iterator[Values]:
    for role in env.catalog.roles.values():
        yield _role_facts(role) | {"rolpassword": "********"}


def _users(env: Any, password: str | None) -> Iterator[Values]:
    for role in env.catalog.roles.values():
        if role.login:
            yield {
                "usename": role.name, "usesysid": role.oid, "usecreatedb": False, "usesuper": False,
                "userepl": False, "usebypassrls": False, "passwd": password,
            }  # fmt: skip


@content("pg_user")
def _pg_user(env: Any) -> Iterator[Values]:
    return _users(env, "********")


@content("pg_shadow", "none")
def _pg_shadow(env: Any) -> Iterator[Values]:
    _only_admin(env, "view pg_shadow")
    return _users(env, None)


@content("pg_group")
def _pg_group(env: Any) -> Iterator[Values]:
    roles = env.catalog.roles.values()
    for group in roles:
        if not group.login:
            members = [role.oid for role in roles if any(each.role == group.oid for each in role.memberships)]
            yield {"groname": group.name, "grosysid": group.oid, "grolist": Array(members)}


@content("pg_auth_members")
def _pg_auth_members(env: Any) -> Iterator[Values]:
    for role in env.catalog.roles.values():
        for each in role.memberships:
            yield {
                "oid": each.oid, "roleid": each.role, "member": role.oid, "grantor": each.grantor,
                "admin_option": each.admin, "inherit_option": each.inherit, "set_option": each.may_set,
            }  # fmt: skip


@content("pg_default_acl")
def _pg_default_acl(env: Any) -> Iterator[Values]:
    for each in env.catalog.default_acls.values():
        yield {
            "oid": each.oid, "defaclrole": each.role, "defaclnamespace": each.schema_oid,
            "defaclobjtype": _DEFAULT_KINDS[each.kind], "defaclacl": acl_items(env.catalog, each.acl),
        }  # fmt: skip


_DEFAULT_KINDS = {"table": "r", "sequence": "S", "function": "f", "type": "T", "schema": "n"}


# --- settings ---


@content("pg_settings", "none")
def _pg_settings(env: Any) -> Iterator[Values]:
    for key in sorted(ALL):
        setting = ALL[key]
        value = env.settings.get(setting.name)
        changed = value != setting.default
        kind = "bool" if setting.default in ("on", "off") else "string"
        if setting.default.isdigit():
            kind = "integer"
        yield {
            "name": setting.name, "setting": value, "category": "Client Connection Defaults",
            "short_desc": setting.description, "context": "internal" if setting.check is None else "user",
            "vartype": kind, "source": "session" if changed else "default", "boot_val": setting.default,
            "reset_val": setting.default, "pending_restart": False,
        }  # fmt: skip


# --- sessions ---


@content("pg_stat_activity", "none")
def _pg_stat_activity(env: Any) -> Iterator[Values]:
    session = env.session
    for other in list(session.node.sessions.values()):
        if other.cluster != session.cluster:
            continue
        shown = env.user in ("admin", other.user)
        yield {
            "datid": 5, "datname": other.database, "pid": other.process_id,
            "usesysid": env.catalog.role_names.get(other.user), "usename": other.user,
            "application_name": other.settings["application_name"], "backend_type": "client backend",
            "state": other.state if shown else None,
            "query": other.query_text if shown else "<insufficient privilege>",
        }  # fmt: skip


@content("pg_prepared_statements", "none")
def _pg_prepared_statements(env: Any) -> Iterator[Values]:
    for name, prepared in env.session.statements.items():
        if name:
            kinds = [kind.oid for kind in prepared.param_types[: len(prepared.param_types) - prepared.lifted]]
            results = [column.type.oid for column in prepared.columns]
            yield {
                "name": name, "parameter_types": Array(kinds), "from_sql": False,
                "result_types": Array(results) if results else None,
            }  # fmt: skip


# --- statistics: nothing counts accesses, so that counters are NULL or 0 ---


def _table_statistics(env: Any, name: str) -> Iterator[Values]:
    counters = {
        column.name: 0 for column in RELATIONS["pg_catalog", name].columns if column.type is types.INT8
    }
    for table in env.catalog.tables.values():
        schema = schema_name(env.catalog, table.schema_oid)
        yield counters | {"relid": table.oid, "schemaname": schema, "relname": table.name}


@content("pg_stat_user_tables")
def _pg_stat_user_tables(env: Any) -> Iterator[Values]:
    return _table_statistics(env, "pg_stat_user_tables")


@content("pg_stat_all_tables")
def _pg_stat_all_tables(env: Any) -> Iterator[Values]:
    return _table_statistics(env, "pg_stat_all_tables")


def _index_statistics(env: Any) -> Iterator[Values]:
    for table in env.catalog.tables.values():
        for index in table.all_indexes:
            yield {
                "relid": table.oid, "indexrelid": index.oid, "relname": table.name,
                "indexrelname": index.name, "schemaname": schema_name(env.catalog, table.schema_oid),
                "idx_scan": 0, "idx_tup_read": 0,
                "idx_tup_fetch": 0,
            }  # fmt: skip


content("pg_stat_user_indexes")(_index_statistics)
content("pg_stat_all_indexes")(_index_statistics)


# --- time zones ---


def _interval(seconds: int) -> Interval:
    return Interval(0, 0, seconds * 1_000_000)


@content("pg_timezone_names", "none")
def _pg_timezone_names(env: Any) -> Iterator[Values]:
    for name in sorted(zoneinfo.available_timezones()):
        zone = find_zone(name)
        if zone is not None:
            offset, daylight, abbreviation = zone.at(env.now)
            yield {"name": name, "abbrev": abbreviation, "utc_offset": _interval(offset), "is_dst": daylight}


@content("pg_timezone_abbrevs", "none")
def _pg_timezone_abbrevs(env: Any) -> Iterator[Values]:
    for name, entry in sorted(ABBREVIATIONS.items()):
        if isinstance(entry, str):
            zone = find_zone(entry)
            found = zone.offset_of_abbreviation(env.now, name) if zone is not None else None
            if found is None:
                continue
            offset, daylight = found
        else:
            offset, daylight = entry[0], bool(entry[1])
        yield {"abbrev": name.upper(), "utc_offset": _interval(offset), "is_dst": daylight}
