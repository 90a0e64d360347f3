"""has_..._privilege and pg_has_role: who may do what, asked in SQL (PostgreSQL, chapter 9.26.2)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from server.catalog import acl, names, procedures
from server.catalog.acl import LETTERS, PUBLIC, Items
from server.catalog.ddl_membership import is_admin_of
from server.catalog.descriptor import Oid, Table
from server.catalog.privileges import privileged, role_oid, schema_items, table_items
from server.catalog.system_relation import BY_OID as SYSTEM_BY_OID
from server.catalog.system_relation import SCHEMA_OIDS
from server.catalog.system_tables import acl_items, acl_name
from server.catalog.system_types import ACL_ITEM
from server.errors import PgError
from server.sql import types
from server.sql.functions import define, sql
from server.sql.types import Array

Check = Callable[[Any, Oid, Oid, str, bool], bool | None]
"""(env, role, object, privilege, WITH GRANT OPTION) -> answer; NULL for no such object."""
Find = Callable[[Any, Any], Oid]
"""An object by name; raises when there is none."""


def _role(env: Any, user: str | Oid) -> Oid:
    """A role by name or oid; PUBLIC by its name; 42704."""
    if user == "public":
        return PUBLIC
    return _named_role(env, user)


def _named_role(env: Any, user: str | Oid) -> Oid:
    return user if isinstance(user, int) else role_oid(env.catalog, user)


def _wanted(text: str, allowed: tuple[str, ...]) -> list[tuple[str, bool]]:
    """Privileges of a comma-separated list, and whether WITH GRANT OPTION; 22023."""
    found = []
    for part in text.split(","):
        word = part.strip().upper()
        plain = word.removesuffix(" WITH GRANT OPTION")
        if plain not in allowed:
            raise PgError("22023", f'unrecognized privilege type: "{part.strip()}"')
        found.append((plain, plain != word))
    return found


def _family(name: str, oids: tuple[int, ...], allowed: tuple[str, ...], find: Find, check: Check) -> None:
    """The six forms: user by name, by oid or the current one; object by name or oid."""

    def run(env: Any, *args: Any) -> bool | None:
        *users, object_, text = args
        role = _role(env, users[0] if users else env.user)
        oid = object_ if isinstance(object_, int) else find(env, object_)
        answers = [check(env, role, oid, *wanted) for wanted in _wanted(text, allowed)]
        if None in answers:
            return None
        return any(answers)

    forms = ("name,text,text", "name,oid,text", "oid,text,text", "oid,oid,text", "text,text", "oid,text")
    for oid, form in zip(oids, forms, strict=True):
        define(f"{oid} {name}({form}) bool s", run, env=True)


# --- relations and columns ---


def _relation(env: Any, text: str) -> Oid:
    return names.INPUTS["regclass"](env, text)


def _holds(env: Any, role: Oid, items: Items, owner: Oid, privilege: str, option: bool) -> bool:
    roles = privileged(env.catalog, role)
    if roles is acl.EVERY:
        return True
    held = acl.options(items, roles, owner) if option else acl.held(items, roles)
    return LETTERS[privilege] in held


def table_check(env: Any, role: Oid, oid: Oid, privilege: str, option: bool = False) -> bool | None:
    """Tables by their grants, indexes by their owner; system relations may be read by everybody."""
    catalog = env.catalog
    if oid in SYSTEM_BY_OID:
        return privilege == "SELECT" and not option
    table = catalog.tables.get(oid)
    if table is not None:
        return _holds(env, role, table_items(table), table.owner, privilege, option)
    table = catalog.tables.get(catalog.index_tables.get(oid, 0))
    if table is None:
        return None
    return _holds(env, role, acl.default("table", table.owner), table.owner, privilege, option)


def column_check(env: Any, role: Oid, table: Table, attnum: int, privilege: str, option: bool) -> bool:
    """Of the table or of the column alone."""
    if table_check(env, role, table.oid, privilege, option):
        return True
    if attnum <= 0:
        return False
    items = table.columns[attnum - 1].acl
    roles = privileged(env.catalog, role)
    # The owner's options are those of the table, asked for above.
    held = acl.options(items, roles, -1) if option else acl.held(items, roles)
    return LETTERS[privilege] in held


def any_column_check(env: Any, role: Oid, oid: Oid, privilege: str, option: bool = False) -> bool | None:
    """Of the table or of any of its columns."""
    table = env.catalog.tables.get(oid)
    if table is None:
        return table_check(env, role, oid, privilege, option)
    live = [attnum for attnum, column in enumerate(table.columns, 1) if not column.dropped]
    return any(column_check(env, role, table, attnum, privilege, option) for attnum in (0, *live))


_TABLE = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER")
_family("has_table_privilege", (1922, 1923, 1924, 1925, 1926, 1927), _TABLE, _relation, table_check)
_ANY_COLUMN = ("SELECT", "INSERT", "UPDATE", "REFERENCES")
_family(
    "has_any_column_privilege", (3024, 3025, 3026, 3027, 3028, 3029), _ANY_COLUMN, _relation, any_column_check
)


def _sequence_check(env: Any, role: Oid, oid: Oid, privilege: str, option: bool) -> bool | None:
    """No relation is a sequence; 42809 says it of those that there are, once the privileges are known."""
    place = names.relation_place(env.catalog, oid)
    if place is None:
        return None
    raise PgError("42809", f'"{place[1]}" is not a sequence')


_family(
    "has_sequence_privilege", (2181, 2182, 2183, 2184, 2185, 2186), ("USAGE", "SELECT", "UPDATE"), _relation,
    _sequence_check,
)  # fmt: skip


def _column_privilege(env: Any, *args: Any) -> bool | None:
    *users, object_, column, text = args
    role = _role(env, users[0] if users else env.user)
    oid = object_ if isinstance(object_, int) else _relation(env, object_)
    place = names.relation_place(env.catalog, oid)
    if place is None:
        return None
    table = env.catalog.tables.get(oid)
    columns = [] if table is None else [None if each.dropped else each.name for each in table.columns]
    if oid in SYSTEM_BY_OID:
        columns = [each.name for each in SYSTEM_BY_OID[oid].columns]
    attnum = column
    if isinstance(column, str):
        if column not in columns:
            raise PgError("42703", f'column "{column}" of relation "{place[1]}" does not exist')
        attnum = columns.index(column) + 1
    elif not 0 < column <= len(columns) or columns[column - 1] is None:
        return None
    wanted = _wanted(text, _ANY_COLUMN)
    if table is None:
        return any(table_check(env, role, oid, *each) for each in wanted)
    return any(column_check(env, role, table, attnum, *each) for each in wanted)


for _number, _form in enumerate(
    ("name,text,text", "name,text,int2", "name,oid,text", "name,oid,int2", "oid,text,text", "oid,text,int2",
     "oid,oid,text", "oid,oid,int2", "text,text", "text,int2", "oid,text", "oid,int2"),
    3012,
):  # fmt: skip
    define(f"{_number} has_column_privilege({_form},text) bool s", _column_privilege, env=True)


# --- other objects ---


def _schema_check(env: Any, role: Oid, oid: Oid, privilege: str, option: bool) -> bool | None:
    if oid in SCHEMA_OIDS.values():
        return privilege == "USAGE" and not option
    schema = env.catalog.schemas.get(oid)
    if schema is None:
        return None
    return _holds(env, role, schema_items(schema), schema.owner, privilege, option)


_family(
    "has_schema_privilege", (2268, 2269, 2270, 2271, 2272, 2273), ("CREATE", "USAGE"),
    lambda env, text: names.INPUTS["regnamespace"](env, f'"{text}"'), _schema_check,
)  # fmt: skip


def _database(env: Any, text: str) -> Oid:
    if text != "postgres":
        raise PgError("3D000", f'database "{text}" does not exist')
    return 5


def _database_check(env: Any, role: Oid, oid: Oid, privilege: str, option: bool) -> bool | None:
    """Everybody connects, only admin creates schemas, nobody makes temporary tables."""
    if oid != 5:
        return None
    if option:
        return False
    return privilege == "CONNECT" or (privilege == "CREATE" and privileged(env.catalog, role) is acl.EVERY)


_family(
    "has_database_privilege", (2250, 2251, 2252, 2253, 2254, 2255),
    ("CREATE", "CONNECT", "TEMPORARY", "TEMP"), _database, _database_check,
)  # fmt: skip


def _no_object(noun: str, sqlstate: str = "42704") -> Find:
    def find(env: Any, text: str) -> Oid:
        raise PgError(sqlstate, f'{noun} "{text}" does not exist')

    return find


def _language(env: Any, text: str) -> Oid:
    found = {"internal": 12, "sql": 14}.get(text)
    return found if found is not None else _no_object("language")(env, text)


def _tablespace(env: Any, text: str) -> Oid:
    found = {"pg_default": 1663, "pg_global": 1664}.get(text)
    return found if found is not None else _no_object("tablespace")(env, text)


def _function_check(env: Any, role: Oid, oid: Oid, privilege: str, option: bool) -> bool | None:
    """Everybody calls what is built in, but only admin what injects faults and makes clusters."""
    procedure = procedures.BY_OID.get(oid)
    if procedure is not None and procedure.admin_only:
        return not option and privileged(env.catalog, role) is acl.EVERY
    return not option if names.function_place(oid) else None


_family(
    "has_function_privilege", (2256, 2257, 2258, 2259, 2260, 2261), ("EXECUTE",),
    lambda env, text: names.INPUTS["regprocedure"](env, text),
    _function_check,
)  # fmt: skip
_family(
    "has_type_privilege", (3138, 3139, 3140, 3141, 3142, 3143), ("USAGE",),
    lambda env, text: names.INPUTS["regtype"](env, text),
    lambda env, role, oid, privilege, option: not option if oid in types.BY_OID else None,
)  # fmt: skip
_family(
    "has_language_privilege", (2262, 2263, 2264, 2265, 2266, 2267), ("USAGE",), _language,
    lambda env, role, oid, privilege, option: (oid == 14 and not option) if oid in (12, 14) else None,
)  # fmt: skip
_family(
    "has_tablespace_privilege", (2390, 2391, 2392, 2393, 2394, 2395), ("CREATE",), _tablespace,
    lambda env, role, oid, privilege, option: False if oid in (1663, 1664) else None,
)  # fmt: skip
_family(
    "has_foreign_data_wrapper_privilege", (3000, 3001, 3002, 3003, 3004, 3005), ("USAGE",),
    _no_object("foreign-data wrapper"), lambda env, role, oid, privilege, option: None,
)  # fmt: skip
_family(
    "has_server_privilege", (3006, 3007, 3008, 3009, 3010, 3011), ("USAGE",),
    _no_object("server"), lambda env, role, oid, privilege, option: None,
)  # fmt: skip


_MODES = {"USAGE": "inherit", "MEMBER": "member", "SET": "set"}


def _has_role(env: Any, *args: Any) -> bool:
    """Whether a role is, or is a member of, another; MEMBER, USAGE, SET and their ADMIN forms."""
    *users, object_, text = args
    role = _named_role(env, users[0] if users else env.user)
    wanted = _named_role(env, object_)
    answers = []
    for part in text.split(","):
        word = part.strip().upper()
        plain = word.removesuffix(" WITH ADMIN OPTION").removesuffix(" WITH GRANT OPTION")
        if plain not in _MODES:
            raise PgError("22023", f'unrecognized privilege type: "{part.strip()}"')
        if plain == word:
            answers.append(wanted in privileged(env.catalog, role, _MODES[plain]))
        else:
            answers.append(is_admin_of(env.catalog, role, wanted))
    return any(answers)


for _number, _form in enumerate(("name,name", "name,oid", "oid,name", "oid,oid", "name", "oid"), 2705):
    define(f"{_number} pg_has_role({_form},text) bool s", _has_role, env=True)
define("3298 row_security_active(oid) bool s\n3299 row_security_active(text) bool s", lambda relation: False)


# --- access control lists as values ---

_WORDS = acl.NAMES | {"s": "SET", "A": "ALTER SYSTEM"}
_DEFAULTS = {
    "c": ("", ""), "r": ("", "arwdDxt"), "s": ("", "rwU"), "d": ("Tc", "CTc"), "f": ("X", "X"), "l": ("U", "U"),
    "L": ("", "rw"), "n": ("", "UC"), "t": ("", "C"), "F": ("", "U"), "S": ("", "U"), "T": ("U", "U"), "p": ("", "sA"),
}  # fmt: skip
"""Object kind to what PUBLIC and the owner may do before any GRANT (acldefault in acl.c)."""


@sql("3943 acldefault(char,oid) _aclitem", env=True)
def acl_default(env: Any, kind: str, owner: Oid) -> Array:
    """What an object's acl means while it is NULL; XX000 for an unknown kind."""
    if kind not in _DEFAULTS:
        raise PgError("XX000", f"unrecognized object type abbreviation: {kind}")
    everybody, own = _DEFAULTS[kind]
    name = acl_name(env.catalog, owner)
    items = [f"={everybody}/{name}"] if everybody else []
    return Array([*items, f"{name}={own}/{name}"] if own else items)


def _of_item(env: Any, text: str) -> Oid:
    """A role by its name in an entry; by its number when it is gone."""
    name = text[1:-1].replace('""', '"') if text.startswith('"') else text
    oid: Oid | None = env.catalog.role_names.get(name)
    return int(name) if oid is None and name.isdecimal() else role_oid(env.catalog, name)


@sql("1365 makeaclitem(oid,oid,text,bool) aclitem", env=True)
def make_acl_item(env: Any, grantee: Oid, grantor: Oid, text: str, option: bool) -> str:
    """An entry of these privileges; 22023 for one that there is not."""
    letters = ""
    for part in text.split(","):
        word = part.strip().upper()
        if word not in acl.WORDS:
            raise PgError("22023", f'unrecognized privilege type: "{part.strip()}"')
        letters += acl.WORDS[word]
    made = acl.ordered(letters)
    starred = "".join(letter + "*" * option for letter in made)
    (item,) = acl_items(env.catalog, ((grantee, starred, grantor),)).elements
    return str(item)


@sql(
    "1689 aclexplode(acl:_aclitem) record s set", env=True,
    out="grantor oid,grantee oid,privilege_type text,is_grantable bool",
)  # fmt: skip
def acl_explode(env: Any, entries: Array) -> list[tuple[Oid, Oid, str, bool]]:
    """One row per privilege; * behind a letter is the grant option."""
    found = []
    for item in entries.elements:
        parts = ACL_ITEM.fullmatch(item)
        assert parts is not None, item
        grantee = _of_item(env, parts[1]) if parts[1] else PUBLIC
        grantor = _of_item(env, parts[3])
        letters = parts[2]
        for place, letter in enumerate(letters):
            if letter != "*":
                found.append((grantor, grantee, _WORDS[letter], letters[place + 1 : place + 2] == "*"))
    return found
