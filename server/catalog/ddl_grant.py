"""GRANT and REVOKE on tables, columns and schemas (PostgreSQL, chapter 5.7, aclchk.c; dsql-reference §1.8)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import msgspec

from server.catalog import acl, names, privileges, system_relation
from server.catalog.acl import Acl, Items
from server.catalog.ddl import Change, Result, find_role, find_schema, find_table, lookup
from server.catalog.descriptor import SYSTEM_SCHEMAS, Column, Oid, Table
from server.errors import PgError
from server.sql import ast, refusals

_NOUNS = {"table": "relation"}
_SYSTEM_COLUMNS = ("tableoid", "cmax", "xmax", "cmin", "xmin", "ctid")


@dataclass(slots=True)
class Wanted:
    """What is to be granted or revoked, from whom, and how."""

    grant: bool
    grantees: list[Oid]
    option: bool
    cascade: bool

    def applied(self, items: Items, letters: str, grantor: Oid, owner: Oid, change: Change) -> Items:
        """The entries with it done; raises PgError 0LP01, 2BP01."""
        made = Acl(items, owner, lambda oid: privileges.privileged(change.catalog, oid))
        for grantee in self.grantees:
            if self.grant and self.option and grantee == acl.PUBLIC:
                raise PgError("0LP01", "grant options can only be granted to roles")
            if self.grant:
                made.grant(grantee, grantor, letters, option=self.option)
            else:
                made.revoke(grantee, grantor, letters, option_only=self.option, cascade=self.cascade)
        return made.items()


def grant(change: Change, statement: ast.GrantStmt) -> Result:
    """GRANT and REVOKE of privileges on objects.

    The grantor is PostgreSQL's: the owner for itself and for admin, else the role that may grant most of it. Raises
    PgError 0LP01, 2BP01, 42501, 42601, 42704, 42P01, 3F000; warns with 01006 and 01007.
    """
    _refuse_grantor(change, statement)
    targets = list(_targets(change, statement))
    kind = "function" if statement.kind == "routine" else statement.kind
    whole = letters_of(statement.privileges, kind)
    wanted = wanted_of(change, statement)
    for target in targets:
        if isinstance(target, Table):
            _grant_table(change, statement, wanted, change.catalog.tables[target.oid], whole)
        else:
            _grant_schema(change, wanted, target, whole)
    return Result("GRANT" if statement.grant else "REVOKE")


def _refuse_grantor(change: Change, statement: ast.GrantStmt) -> None:
    by = statement.granted_by
    if by is not None and find_role(change, by).oid != change.user_oid:
        raise PgError("0A000", "grantor must be current user")


def wanted_of(change: Change, statement: ast.GrantStmt) -> Wanted:
    """The statement without its objects and privileges."""
    grantees = [
        acl.PUBLIC if name == "public" else find_role(change, name).oid for name in statement.grantees
    ]
    return Wanted(statement.grant, grantees, statement.grant_option, statement.cascade)


# --- which objects ---


def _targets(change: Change, statement: ast.GrantStmt) -> Iterator[Table | Oid]:
    """Tables, or oids of schemas. Nothing is in a schema but tables."""
    if statement.kind == "schema":
        for path in statement.objects:
            if path[-1] in SYSTEM_SCHEMAS:
                raise refusals.SYSTEM_ENTITY.error()
            yield find_schema(change.catalog, path[-1]).oid
    elif statement.all_in_schema:
        schemas = {_usable_schema(change, path[-1]) for path in statement.objects}
        if statement.kind == "table":
            yield from (table for table in change.catalog.tables.values() if table.schema_oid in schemas)
    else:
        for path in statement.objects:
            yield _relation(change, path, statement.kind)


def _usable_schema(change: Change, name: str) -> Oid:
    schema = find_schema(change.catalog, name)
    privileges.require_usage(change.catalog, change.env.user, name)
    return schema.oid


def _relation(change: Change, path: ast.Names, kind: str) -> Table:
    system = names.find_relation(change.env, path)
    if system in system_relation.BY_OID:
        raise refusals.SYSTEM_ENTITY.error()
    if lookup(change.catalog, change.env, path) in change.catalog.index_tables:
        raise PgError("42809", f'"{path[-1]}" is an index')
    table = find_table(change.catalog, change.env, ast.RangeVar(path))
    if kind == "sequence":
        raise PgError("42809", f'"{path[-1]}" is not a sequence')
    return table


# --- which privileges ---


def _letter(word: str) -> str:
    letter = acl.WORDS.get(word.upper())
    if letter is None:
        raise PgError("42601", f'unrecognized privilege type "{word}"')
    return letter


def invalid(word: str, noun: str) -> PgError:
    """A privilege that objects of the kind don't have."""
    shown = word.upper().replace("TEMPORARY", "TEMP")
    return PgError("0LP01", f"invalid privilege type {shown} for {noun}")


def letters_of(given: Iterable[tuple[str, ast.Names]], kind: str) -> str | None:
    """The privileges without columns; None for ALL."""
    allowed = acl.ALL[kind] + ("U" if kind == "table" else "")
    letters, anything = "", False
    for word, columns in given:
        anything = True
        if columns:
            if kind != "table":
                raise PgError("0LP01", "column privileges are only valid for relations")
            continue
        letter = _letter(word)
        if letter not in allowed:
            raise invalid(word, _NOUNS.get(kind, kind))
        letters += letter
    return acl.ordered(letters) if anything else None


def _column_letters(table: Table, statement: ast.GrantStmt, whole: str) -> dict[int, str]:
    """Privileges by attnum. A privilege that is revoked of the table is revoked of all its columns."""
    found: dict[int, str] = {}
    if not statement.grant and (letters := acl.common(whole, acl.ALL["column"])):
        found = {attnum: letters for attnum, column in enumerate(table.columns, 1) if not column.dropped}
    for word, columns in statement.privileges:
        if not columns:
            continue
        letters = acl.ALL["column"] if word == "all" else _letter(word)
        if letters not in acl.ALL["column"]:
            raise invalid(word, "column")
        for name in columns:
            attnum = _attnum(table, name)
            found[attnum] = acl.ordered(found.get(attnum, "") + letters)
    return dict(sorted(found.items()))


def _attnum(table: Table, name: str) -> int:
    for attnum, column in enumerate(table.columns, 1):
        if column.name == name and not column.dropped:
            return attnum
    raise PgError("42703", f'column "{name}" of relation "{table.name}" does not exist')


# --- doing it ---


@dataclass(slots=True)
class _Granted:
    """An object whose entries change."""

    shown: str
    """Its name in warnings."""
    denied: PgError
    every: str
    """The privileges that it has."""
    owner: Oid
    items: Items
    beside: Items = ()
    """Entries that count for who may grant: a column's table's."""

    def changed(self, change: Change, wanted: Wanted, letters: str, is_all: bool) -> Items:
        """The new entries; warnings for what may not be granted, 42501 for who has nothing here."""
        items = (*self.beside, *self.items)
        user = change.user_oid
        if privileges.privileged(change.catalog, user) is acl.EVERY:
            grantor, free = self.owner, letters
        else:
            roles = privileges.roles_of(change.catalog, user)
            grantor, free = acl.best_grantor(roles, letters, items, self.owner)
        if not free and not self._power(change, items, grantor):
            raise self.denied
        if free != letters:
            self._warn(change, wanted.grant, not free, is_all)
        return wanted.applied(self.items, free, grantor, self.owner, change)

    def _power(self, change: Change, items: Items, grantor: Oid) -> str:
        """All that the role holds or may grant."""
        roles = privileges.privileged(change.catalog, grantor)
        return acl.common(acl.held(items, roles) + acl.options(items, roles, self.owner), self.every)

    def _warn(self, change: Change, is_grant: bool, is_nothing: bool, is_all: bool) -> None:
        if is_all and not is_nothing:
            return
        sqlstate, done = ("01007", "were granted") if is_grant else ("01006", "could be revoked")
        how_many = "no" if is_nothing else "not all"
        text = f"{how_many} privileges {done} for {self.shown}"
        change.notices.append(PgError(sqlstate, text, severity="WARNING"))


def _grant_table(
    change: Change, statement: ast.GrantStmt, wanted: Wanted, table: Table, letters: str | None
) -> None:
    whole = acl.ALL["table"] if letters is None else letters
    if "U" in whole:
        raise invalid("USAGE", "table")
    by_column = _column_letters(table, statement, whole)
    before = privileges.table_items(table)
    made = table
    if whole:
        of = _Granted(
            f'"{table.name}"', privileges.table_denied(table), acl.ALL["table"], table.owner, before
        )
        items = of.changed(change, wanted, whole, letters is None)
        made = msgspec.structs.replace(made, acl=acl.to_store(items, table.owner))
    columns = list(made.columns)
    revoked = "" if statement.grant else acl.common(whole, acl.ALL["column"])
    for name in _SYSTEM_COLUMNS if revoked else ():
        _granted_column(
            change, wanted, table, Column(name, 0), revoked
        )  # they hold nothing: for its warnings
    for attnum, of_column in by_column.items():
        columns[attnum - 1] = _granted_column(change, wanted, table, columns[attnum - 1], of_column)
    change.put(msgspec.structs.replace(made, columns=tuple(columns)))


def _granted_column(change: Change, wanted: Wanted, table: Table, column: Column, letters: str) -> Column:
    shown = f'column "{column.name}" of relation "{table.name}"'
    denied = PgError("42501", f"permission denied for {shown}")
    every = acl.ALL["column"]
    of = _Granted(shown, denied, every, table.owner, column.acl, privileges.table_items(table))
    return msgspec.structs.replace(column, acl=of.changed(change, wanted, letters, letters == every))


def _grant_schema(change: Change, wanted: Wanted, oid: Oid, letters: str | None) -> None:
    schema = change.catalog.schemas[oid]
    every = acl.ALL["schema"]
    denied = privileges.schema_denied(schema.name)
    of = _Granted(f'"{schema.name}"', denied, every, schema.owner, privileges.schema_items(schema))
    items = of.changed(change, wanted, every if letters is None else letters, letters is None)
    change.put(msgspec.structs.replace(schema, acl=acl.to_store(items, schema.owner)))
