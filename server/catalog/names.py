"""Names of objects to oids and back: what the reg* types read and print (PostgreSQL, chapter 8.19)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from server.catalog import procedures, system_relation
from server.catalog.descriptor import Catalog, Oid
from server.catalog.privileges import require_usage, usable_path
from server.catalog.system_relation import RELATIONS, SCHEMA_OIDS
from server.catalog.system_text import schema_name
from server.catalog.system_types import SUPPORT
from server.errors import PgError
from server.sql import functions
from server.sql.keywords import quote_ident
from server.sql.lexer import END, lex
from server.sql.parse import Parser
from server.sql.text_search import config
from server.sql.type_names import format_type, lookup_type_name
from server.sql.types import BY_OID, ROW_OIDS, Type, array_of

SYSTEM_CATALOG = "pg_catalog"


def split_name(text: str) -> tuple[str, ...]:
    """The parts of a qualified name, unquoted and folded; PgError 42602 (stringToQualifiedNameList)."""
    parts: list[str] = []
    rest = text.strip()
    while True:
        if rest.startswith('"'):
            end = rest.find('"', 1)
            while end != -1 and rest[end + 1 : end + 2] == '"':
                end = rest.find('"', end + 2)
            if end == -1:
                raise PgError("42602", "invalid name syntax")
            part, rest = rest[1:end].replace('""', '"'), rest[end + 1 :].lstrip()
        else:
            word, dot, after = rest.partition(".")
            part, rest = word.strip().lower(), dot + after
            if any(char.isspace() for char in part):
                raise PgError("42602", "invalid name syntax")
        if not part:
            raise PgError("42602", "invalid name syntax")
        parts.append(part)
        if not rest:
            return tuple(parts)
        if rest[0] != ".":
            raise PgError("42602", "invalid name syntax")
        rest = rest[1:].lstrip()


def search_path(env: Any) -> tuple[str, ...]:
    """Where unqualified names are looked up: pg_catalog first unless the path names it."""
    path: tuple[str, ...] = env.search_path
    return path if SYSTEM_CATALOG in path else (SYSTEM_CATALOG, *path)


def schema_oid(catalog: Catalog, name: str) -> Oid | None:
    """A schema's oid, the system's among them."""
    return SCHEMA_OIDS.get(name) or catalog.schema_names.get(name)


# --- relations ---


def relation_in(catalog: Catalog, schema: str, name: str) -> Oid | None:
    """The oid of a table, index or system relation of one schema."""
    system = RELATIONS.get((schema, name))
    if system is not None:
        return system.oid
    oid = catalog.schema_names.get(schema)
    return catalog.relation_names.get((oid, name)) if oid is not None else None


def find_relation(env: Any, names: Sequence[str]) -> Oid | None:
    """A relation by its (qualified) name, along search_path."""
    schemas = (names[-2],) if len(names) > 1 else usable_path(env.catalog, env.user, search_path(env))
    for schema in schemas:
        oid = relation_in(env.catalog, schema, names[-1])
        if oid is not None:
            return oid
    return None


def relation_place(catalog: Catalog, oid: Oid) -> tuple[str, str] | None:
    """(schema, name) of a relation or index; None: there is none of that oid."""
    system = system_relation.BY_OID.get(oid)
    if system is not None:
        return system.schema, system.name
    table = catalog.tables.get(oid)
    if table is not None:
        return catalog.schema_of(table), table.name
    found = catalog.find_index(oid)
    return None if found is None else (catalog.schema_of(found[0]), found[1].name)


def relation_is_visible(env: Any, oid: Oid) -> bool | None:
    """Whether the bare name means this relation; None: there is none of that oid."""
    place = relation_place(env.catalog, oid)
    return None if place is None else find_relation(env, place[1:]) == oid


def _relation_in(env: Any, text: str) -> Oid:
    names = split_name(text)
    if len(names) == 3 and names[0] != env.database:
        raise PgError("0A000", f'cross-database references are not implemented: "{".".join(names)}"')
    if len(names) > 3:
        raise PgError("42601", f"improper relation name (too many dotted names): {'.'.join(names)}")
    if len(names) > 1:
        _require_usage(env, names[-2])
    oid = find_relation(env, names)
    if oid is None:
        raise PgError("42P01", f'relation "{".".join(names[-2:])}" does not exist')
    return oid


def _require_usage(env: Any, name: str) -> None:
    require_usage(env.catalog, env.user, name)


def _relation_out(env: Any, oid: Oid) -> str:
    place = relation_place(env.catalog, oid)
    if place is None:
        return str(oid)
    name = quote_ident(place[1])
    return name if find_relation(env, place[1:]) == oid else f"{quote_ident(place[0])}.{name}"


# --- types ---


def parse_type(text: str) -> tuple[Type, int]:
    """A type by its SQL name with modifiers; PgError 42704, 42601."""
    parser = Parser(lex(text))
    name = parser.type_name(setof=False)
    if parser.kind != END:
        raise parser.fail()
    modifiers = [str(getattr(modifier, "text", "")) for modifier in name.modifiers]
    found, typmod = lookup_type_name(name.names, modifiers, name.interval_fields)
    if name.array_bounds:
        array = array_of(found)
        if array is None and found.element is None:
            raise PgError("42704", f'type "{found.display}[]" does not exist')
        found = array or found
    return found, typmod


def _type_in(env: Any, text: str) -> Oid:
    return parse_type(text)[0].oid


def _type_out(env: Any, oid: Oid) -> str:
    if oid in BY_OID:
        return format_type(oid)
    if oid - 2 * ROW_OIDS in env.catalog.tables:
        return _relation_out(env, oid - 2 * ROW_OIDS) + "[]"
    if oid - ROW_OIDS in env.catalog.tables:
        return _relation_out(env, oid - ROW_OIDS)
    return str(oid)


# --- functions ---


def functions_named(name: str) -> Iterator[tuple[Oid, tuple[Type, ...]]]:
    """(oid, argument types) of every function, aggregate and window function of that name."""
    for entry in functions.FUNCTIONS.get(name, ()):
        yield entry.oid, entry.args
    for aggregate in functions.AGGREGATES.get(name, ()):
        yield aggregate.oid, aggregate.args
    for window in functions.WINDOW_FUNCTIONS.get(name, ()):
        yield window.oid, window.args


def function_place(oid: Oid) -> tuple[str, tuple[Type, ...]] | None:
    """(name, argument types) of a function or procedure."""
    entry = (
        functions.FUNCTION_BY_OID.get(oid)
        or functions.AGGREGATE_BY_OID.get(oid)
        or functions.WINDOW_FUNCTION_BY_OID.get(oid)
        or procedures.BY_OID.get(oid)
    )
    return (entry.name, entry.args) if entry is not None else None


def function_schema(oid: Oid) -> str:
    """Of a function or procedure that is built in."""
    entry = functions.FUNCTION_BY_OID.get(oid) or procedures.BY_OID.get(oid)
    return entry.schema if entry is not None else SYSTEM_CATALOG


def function_is_visible(env: Any, oid: Oid) -> bool | None:
    """Whether its schema is searched; None: there is none of that oid."""
    if function_place(oid) is None:
        return None
    schema = function_schema(oid)
    return schema == SYSTEM_CATALOG or schema in search_path(env)


def _functions_meant(env: Any, names: Sequence[str]) -> list[tuple[Oid, tuple[Type, ...]]]:
    """Those of a (qualified) name, along search_path."""
    found = list(functions_named(names[-1]))
    found += [(each.oid, each.args) for each in procedures.BY_OID.values() if each.name == names[-1]]
    if len(names) > 1:
        return [each for each in found if function_schema(each[0]) == names[-2]]
    return [each for each in found if function_is_visible(env, each[0])]


def _known_schema(env: Any, names: Sequence[str]) -> None:
    if len(names) > 1 and schema_oid(env.catalog, names[-2]) is None:
        raise PgError("3F000", f'schema "{names[-2]}" does not exist')


def _function_in(env: Any, text: str) -> Oid:
    names = split_name(text)
    _known_schema(env, names)
    found = [oid for oid, _ in _functions_meant(env, names)]
    if not found:
        found = [oid for oid, name in SUPPORT.items() if name == names[-1]]
    if not found:
        raise PgError("42883", f'function "{text}" does not exist')
    if len(found) > 1:
        raise PgError("42725", f'more than one function named "{text}"')
    return found[0]


def _function_out(env: Any, oid: Oid) -> str:
    place = function_place(oid)
    if place is None:
        return SUPPORT.get(oid, str(oid))
    is_plain = len(_functions_meant(env, place[:1])) == 1 and function_is_visible(env, oid)
    return quote_ident(place[0]) if is_plain else f"{function_schema(oid)}.{quote_ident(place[0])}"


def _procedure_in(env: Any, text: str) -> Oid:
    name, bracket, arguments = text.partition("(")
    if not bracket or not arguments.rstrip().endswith(")"):
        raise PgError(
            "22P02", "expected a left parenthesis" if not bracket else "expected a right parenthesis"
        )
    listed = arguments.rstrip()[:-1].strip()
    wanted = tuple(parse_type(word)[0] for word in listed.split(",")) if listed else ()
    names = split_name(name)
    for oid, args in _functions_meant(env, names):
        if args == wanted:
            return oid
    raise PgError("42883", f'function "{text}" does not exist')


def _procedure_out(env: Any, oid: Oid) -> str:
    place = function_place(oid)
    if place is None:
        return str(oid)
    schema = "" if function_is_visible(env, oid) else f"{function_schema(oid)}."
    return f"{schema}{quote_ident(place[0])}({','.join(arg.display for arg in place[1])})"


# --- operators and collations ---


def _operator_name(env: Any, text: str) -> str:
    schema, dot, name = text.strip().rpartition(".")
    if dot and schema != SYSTEM_CATALOG:
        _known_schema(env, (schema, name))
        return ""
    return name


def _oper_in(env: Any, text: str) -> Oid:
    found = functions.OPERATORS.get(_operator_name(env, text), [])
    if not found:
        raise PgError("42883", f"operator does not exist: {text}")
    if len(found) > 1:
        raise PgError("42725", f"more than one operator named {text}")
    return found[0].oid


def _operator_in(env: Any, text: str) -> Oid:
    name, bracket, arguments = text.partition("(")
    listed = [word.strip() for word in arguments.rstrip().removesuffix(")").split(",")]
    if not bracket or len(listed) != 2:
        raise PgError("22P02", "expected a left parenthesis" if not bracket else "missing argument")
    left, right = (None if word.lower() == "none" else parse_type(word)[0] for word in listed)
    for entry in functions.OPERATORS.get(_operator_name(env, name), ()):
        if entry.left is left and entry.right is right:
            return entry.oid
    raise PgError("42883", f"operator does not exist: {text}")


def _oper_out(env: Any, oid: Oid) -> str:
    entry = functions.OPERATOR_BY_OID.get(oid)
    if entry is None:
        return str(oid)
    several = len(functions.OPERATORS[entry.name]) > 1
    return f"{SYSTEM_CATALOG}.{entry.name}" if several else entry.name


def _operator_out(env: Any, oid: Oid) -> str:
    entry = functions.OPERATOR_BY_OID.get(oid)
    if entry is None:
        return str(oid)
    return f"{entry.name}({entry.left.display if entry.left is not None else 'NONE'},{entry.right.display})"


_TEXT_SEARCH = {
    "regconfig": ("configuration", {config.NAME: config.CONFIGURATION}),
    "regdictionary": ("dictionary", {config.NAME: config.DICTIONARY}),
}
"""By type what its objects are called, and which there are (dsql-reference §3)."""


def _text_search_in(kind: str) -> Callable[[Any, str], Oid]:
    noun, known = _TEXT_SEARCH[kind]

    def read(env: Any, text: str) -> Oid:
        names = split_name(text)
        if names[:-1] not in ((), (SYSTEM_CATALOG,)) or names[-1] not in known:
            raise PgError("42704", f'text search {noun} "{".".join(names)}" does not exist')
        return known[names[-1]]

    return read


def _text_search_out(kind: str) -> Callable[[Any, Oid], str]:
    known = {oid: name for name, oid in _TEXT_SEARCH[kind][1].items()}
    return lambda env, oid: known.get(oid, str(oid))


COLLATIONS = {"default": 100, "C": 950, "POSIX": 951}


def _collation_in(env: Any, text: str) -> Oid:
    name = split_name(text)[-1]
    if name not in COLLATIONS:
        raise PgError("42704", f'collation "{name}" for encoding "UTF8" does not exist')
    return COLLATIONS[name]


def _collation_out(env: Any, oid: Oid) -> str:
    return next((quote_ident(name) for name, number in COLLATIONS.items() if number == oid), str(oid))


# --- schemas and roles ---


def _single(text: str) -> str:
    names = split_name(text)
    if len(names) != 1:
        raise PgError("42602", "invalid name syntax")
    return names[0]


def _schema_in(env: Any, text: str) -> Oid:
    name = _single(text)
    oid = schema_oid(env.catalog, name)
    if oid is None:
        raise PgError("3F000", f'schema "{name}" does not exist')
    return oid


def _schema_out(env: Any, oid: Oid) -> str:
    name = schema_name(env.catalog, oid)
    return quote_ident(name) if name is not None else str(oid)


def _role_in(env: Any, text: str) -> Oid:
    name = _single(text)
    oid: Oid | None = env.catalog.role_names.get(name)
    if oid is None:
        raise PgError("42704", f'role "{name}" does not exist')
    return oid


def _role_out(env: Any, oid: Oid) -> str:
    role = env.catalog.roles.get(oid)
    return quote_ident(role.name) if role is not None else str(oid)


INPUTS: dict[str, Callable[[Any, str], Oid]] = {
    "regclass": _relation_in,
    "regtype": _type_in,
    "regproc": _function_in,
    "regprocedure": _procedure_in,
    "regoper": _oper_in,
    "regoperator": _operator_in,
    "regcollation": _collation_in,
    "regnamespace": _schema_in,
    "regrole": _role_in,
    **{kind: _text_search_in(kind) for kind in _TEXT_SEARCH},
}
OUTPUTS: dict[str, Callable[[Any, Oid], str]] = {
    "regclass": _relation_out,
    "regtype": _type_out,
    "regproc": _function_out,
    "regprocedure": _procedure_out,
    "regoper": _oper_out,
    "regoperator": _operator_out,
    "regcollation": _collation_out,
    "regnamespace": _schema_out,
    "regrole": _role_out,
    **{kind: _text_search_out(kind) for kind in _TEXT_SEARCH},
}


def reg_input(env: Any, kind: str, text: str) -> Oid:
    """The oid that a name means for type `kind`; PgError 42P01, 42704, 42883, 42725, 3F000, 42602."""
    return INPUTS[kind](env, text)


def reg_output(env: Any, kind: str, oid: Oid) -> str:
    """An object's name, qualified where search_path would not find it; the number when there is none."""
    return OUTPUTS[kind](env, oid)
