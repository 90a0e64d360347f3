"""CREATE TABLE, DROP TABLE/INDEX/SCHEMA (dsql-reference §1.3, §1.6)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

import msgspec

from server.catalog import (
    ddl_defaults,
    ddl_depend,
    ddl_foreign,
    ddl_index,
    ddl_like,
    ddl_limits,
    privileges,
    stored,
)
from server.catalog.ddl import (
    Change,
    Result,
    choose_constraint_name,
    choose_relation_name,
    creation_schema,
    find_schema,
    lookup,
    require_create,
    require_owner,
    schema_constraint_names,
)
from server.catalog.descriptor import SYSTEM_SCHEMAS, Check, Column, Index, IndexKey, Schema, Table
from server.errors import PgError
from server.sql import ast, index_parts, refusals, types
from server.sql.bind_scalar import bind_type
from server.sql.plan_walk import variables
from server.sql.tree import Const
from server.sql.type_names import refused_type
from server.sql.types import Type

STORABLE = frozenset(
    {
        "bool", "int2", "int4", "int8", "float4", "float8", "numeric", "text", "varchar", "bpchar", "bytea",
        "uuid", "date", "time", "timetz", "timestamp", "timestamptz", "interval", "json", "jsonb",
    }
)  # fmt: skip
"""Types of columns (dsql-reference §2.1)."""
_CHAR_LIMITS = {"bpchar": ("char", 4096), "varchar": ("varchar", 65535)}


def column_type(change: Change, name: ast.TypeName) -> tuple[Type, int]:
    """The type of a column; PgError 42704, 0A000 `datatype x not supported`, 54000."""
    refused = refused_type(name.names)
    if refused is not None:
        raise refusals.DATATYPE.error(refused + ("[]" if name.array_bounds else ""))
    found, typmod = bind_type(name, change.env, change.catalog)
    if found.name not in STORABLE or name.setof or not refusals.has_type(found.name):
        raise refusals.DATATYPE.error(found.display)
    if found.name in _CHAR_LIMITS:
        shown, limit = _CHAR_LIMITS[found.name]
        if typmod - 4 > limit:
            raise PgError("54000", f"Datatype limit greater than {limit} bytes not supported for {shown}")
    return found, typmod


def column_storage(kind: Type, given: str | None) -> str | None:
    """What STORAGE says of a column, None: as its type has it. Raises PgError 22023, 0A000 (GetAttributeStorage)."""
    if given is None or given == "default":
        return None
    if given not in ("plain", "external", "extended", "main"):
        raise PgError("22023", f'invalid storage type "{given}"')
    if kind.storage == "p" and given != "plain":
        raise PgError("0A000", f"column data type {kind.display} can only have storage PLAIN")
    return given


def create_table(change: Change, statement: ast.CreateStmt) -> Result:
    """CREATE TABLE."""
    catalog, names = change.catalog, statement.relation.names
    schema = creation_schema(catalog, change.env, names)
    require_create(catalog, change.env, schema, statement.relation.at)
    name = names[-1]
    result = Result("CREATE TABLE")
    if (schema.oid, name) in catalog.relation_names:
        if not statement.if_not_exists:
            raise PgError("42P07", f'relation "{name}" already exists')
        change.notices.append(PgError("42P07", f'relation "{name}" already exists, skipping'))
        return result
    if len(catalog.tables) >= change.txn.limits.tables:
        raise PgError("54000", f"creating more than {change.txn.limits.tables} tables not allowed")
    change.put(_Builder(change, schema, name).build(statement))
    return result


@dataclass(slots=True)
class _Key:
    """A PRIMARY KEY or UNIQUE constraint of a table that is being made."""

    primary: bool
    keys: tuple[IndexKey, ...]
    include: tuple[int, ...]
    nulls_not_distinct: bool
    name: str | None

    def is_same(self, other: _Key) -> bool:
        """Whether one index does for both."""
        return (self.keys, self.include, self.nulls_not_distinct) == (
            other.keys,
            other.include,
            other.nulls_not_distinct,
        )


@dataclass(slots=True)
class _Builder:
    """Collects a table's parts, columns first, since constraints name them."""

    change: Change
    schema: Schema
    name: str
    columns: list[Column] = field(default_factory=list)
    keys: list[tuple[ast.Constraint, tuple[str, ...]]] = field(default_factory=list)
    checks: list[ast.Constraint] = field(default_factory=list)
    foreign_keys: list[ast.Constraint] = field(default_factory=list)
    taken: set[str] = field(default_factory=set)
    """Names of relations."""
    _checks_taken: set[str] = field(default_factory=set)
    defaults: list[tuple[int, ast.Expr]] = field(default_factory=list)
    """Place of the column, and what was parsed of its default."""
    sources: list[ddl_like.Source] = field(default_factory=list)

    def build(self, statement: ast.CreateStmt) -> Table:
        for element in statement.elements:
            if isinstance(element, ast.ColumnDef):
                self._column(element)
            elif isinstance(element, ast.Constraint):
                self._table_constraint(element)
            elif isinstance(element, ast.LikeClause):
                self._like(element)
        copied = [index for source in self.sources for index in ddl_like.indexes_of(source)]
        keyed = any(constraint.kind == "primary key" for constraint, _columns in self.keys)
        keyed = keyed or any(index.primary for index in copied)
        ddl_limits.check_columns(self.change.txn.limits, self.columns, keyed)
        self.taken.add(self.name)
        oid = self.change.new_oid()
        keys = self._merged_keys()
        owner = self.change.user_oid
        table = Table(
            oid=oid,
            schema_oid=self.schema.oid,
            name=self.name,
            owner=owner,
            columns=tuple(self.columns),
            acl=ddl_defaults.acl_of_new(self.change.catalog, "table", owner, self.schema.oid),
        )
        for place, expr in self.defaults:
            make = with_generation if self.columns[place].generated else with_default
            self.columns[place] = make(self.change, table, place, expr)
        table = msgspec.structs.replace(table, columns=tuple(self.columns))
        table = msgspec.structs.replace(table, checks=self._make_checks(table))
        self._checks_taken = {check.name for check in table.checks}
        indexes = [self._index(table, key) for key in keys]
        indexes += [self._copied(table, index) for index in copied]
        primaries = [index for index in indexes if index.primary]
        if len(primaries) > 1:
            raise PgError("42P16", f'multiple primary keys for table "{self.name}" are not allowed')
        table = msgspec.structs.replace(
            table,
            primary_key=primaries[0] if primaries else None,
            indexes=tuple(index for index in indexes if not index.primary),
        )
        ddl_index.check_index_count(self.change, table)
        return ddl_foreign.with_foreign_keys(self.change, table, self.foreign_keys)

    def _like(self, clause: ast.LikeClause) -> None:
        source = ddl_like.source_of(self.change, clause, len(self.columns))
        self.sources.append(source)
        for column in ddl_like.columns_of(self.change, source):
            self._refuse_taken(column.name)
            self.columns.append(column)

    def _refuse_taken(self, name: str) -> None:
        if any(column.name == name for column in self.columns):
            raise PgError("42701", f'column "{name}" specified more than once')

    def _column(self, definition: ast.ColumnDef) -> None:
        refuse_system_name(definition.name)
        self._refuse_taken(definition.name)
        found, typmod = column_type(self.change, definition.type)
        not_null: bool | None = None
        default: str | None = None
        default_expr: ast.Expr | None = None
        seen = set[str]()
        for constraint in definition.constraints:
            kind = constraint.kind
            if kind in ("not null", "null"):
                wanted = kind == "not null"
                if not_null is not None and not_null != wanted:
                    raise PgError(
                        "42601",
                        f'conflicting NULL/NOT NULL declarations for column "{definition.name}" '
                        f'of table "{self.name}"',
                        position=constraint.at + 1,
                    )
                not_null = wanted
            elif kind in ("default", "generated"):
                self._refuse_second_value(definition, constraint, seen)
                seen.add(kind)
                default, default_expr = constraint.expr_text, constraint.expr
            elif kind in ("primary key", "unique"):
                self.keys.append((constraint, (definition.name,)))
            elif kind == "check":
                self.checks.append(constraint)
            elif kind == "foreign key":
                self.foreign_keys.append(replace(constraint, columns=(definition.name,)))
            elif kind == "identity":
                if found.name != "int8":
                    raise refusals.IDENTITY_TYPE.error(found.display)
                raise refusals.IDENTITY.error()
        storage = column_storage(found, definition.storage)
        generated = "generated" in seen
        made = Column(
            definition.name, found.oid, typmod, bool(not_null), default, storage=storage, generated=generated
        )
        if default_expr is not None:
            self.defaults.append((len(self.columns), default_expr))
        self.columns.append(made)

    def _refuse_second_value(
        self, definition: ast.ColumnDef, constraint: ast.Constraint, seen: Collection[str]
    ) -> None:
        if not seen:
            return
        what = "both default and generation expression"
        if constraint.kind in seen:
            what = f"multiple {'default values' if constraint.kind == 'default' else 'generation clauses'}"
        raise PgError(
            "42601",
            f'{what} specified for column "{definition.name}" of table "{self.name}"',
            position=constraint.at + 1,
        )

    def _table_constraint(self, constraint: ast.Constraint) -> None:
        if constraint.kind in ("primary key", "unique"):
            self.keys.append((constraint, constraint.columns))
        elif constraint.kind == "foreign key":
            self.foreign_keys.append(replace(constraint, not_valid=False))
        else:
            self.checks.append(replace(constraint, not_valid=False))  # there are no rows to look at

    def _attnum(self, name: str, kind: str) -> int:
        for place, column in enumerate(self.columns, 1):
            if column.name == name:
                return place
        raise PgError("42703", f'column "{name}" named in key does not exist')

    def _key_columns(self, constraint: ast.Constraint, names: Sequence[str]) -> tuple[IndexKey, ...]:
        found: list[int] = []
        for name in names:
            attnum = self._attnum(name, constraint.kind)
            if attnum in found:
                raise PgError("42701", f'column "{name}" appears twice in {constraint.kind} constraint')
            found.append(attnum)
        ddl_index.check_key(self.change.txn.limits, [self.columns[attnum - 1] for attnum in found])
        return tuple(map(IndexKey, found))

    def _merged_keys(self) -> list[_Key]:
        """The primary key, then the unique ones; equal ones are one, with a name if one has it.

        That is what transformIndexConstraints does.
        """
        primaries = [constraint for constraint, _names in self.keys if constraint.kind == "primary key"]
        if len(primaries) > 1:
            raise PgError(
                "42P16",
                f'multiple primary keys for table "{self.name}" are not allowed',
                position=primaries[1].at + 1,
            )
        merged: list[_Key] = []
        for constraint, names in sorted(self.keys, key=lambda each: each[0].kind != "primary key"):
            key = _Key(
                constraint.kind == "primary key",
                self._key_columns(constraint, names),
                tuple(self._attnum(each, constraint.kind) for each in constraint.including),
                constraint.nulls_not_distinct,
                constraint.name,
            )
            same = next((each for each in merged if each.is_same(key)), None)
            if same is None:
                merged.append(key)
            else:
                same.name = same.name or key.name
        if primaries:
            for part in merged[0].keys:
                column = self.columns[part.column - 1]
                self.columns[part.column - 1] = msgspec.structs.replace(column, not_null=True)
        return merged

    def _copied(self, table: Table, index: Index) -> Index:
        """An index of LIKE, with a number and a name of its own."""
        columns = () if index.primary else _index_columns(table, index.keys, index.include)
        label = ("pkey" if index.primary else "key") if index.constraint else "idx"
        return msgspec.structs.replace(index, oid=self.change.new_oid(), name=self._free_name(columns, label))

    def _index(self, table: Table, key: _Key) -> Index:
        return Index(
            self.change.new_oid(),
            self._index_name(key, () if key.primary else _index_columns(table, key.keys, key.include)),
            key.keys,
            key.include,
            unique=True,
            nulls_not_distinct=key.nulls_not_distinct,
            primary=key.primary,
            constraint=True,
        )

    def _index_name(self, key: _Key, columns: Sequence[str]) -> str:
        catalog, schema, name = self.change.catalog, self.schema.oid, key.name
        if name is None:
            return self._free_name(columns, "pkey" if key.primary else "key")
        if name in self.taken or (schema, name) in catalog.relation_names:
            raise PgError("42P07", f'relation "{name}" already exists')
        if name in self._checks_taken:
            raise PgError("42710", f'constraint "{name}" for relation "{self.name}" already exists')
        self.taken.add(name)
        return name

    def _free_name(self, columns: Sequence[str], label: str) -> str:
        """A name for an index that nobody has named: for a constraint's, free among the schema's constraints too."""
        catalog, schema = self.change.catalog, self.schema.oid
        taken = self.taken
        if label != "idx":
            taken = taken | self._checks_taken | schema_constraint_names(catalog, schema)
        name = choose_relation_name(catalog, schema, (self.name, *columns), label, taken)
        self.taken.add(name)
        return name

    def _make_checks(self, table: Table) -> tuple[Check, ...]:
        made: list[Check] = []
        for constraint in self.checks:
            made.append(make_check(self.change, table, constraint, {each.name for each in made}))
        for source in self.sources:
            made += ddl_like.checks_of(self.change, source, self.name, {each.name for each in made})
        return tuple(made)


def _index_columns(table: Table, keys: Sequence[IndexKey], include: Sequence[int]) -> Sequence[str]:
    """What an index's name is made of, beside the table's (ChooseIndexColumnNames)."""
    names = [index_parts.key_name(table, key) for key in keys]
    return index_parts.unique_names([*names, *(table.columns[attnum - 1].name for attnum in include)])


SYSTEM_COLUMNS = ("ctid", "xmin", "cmin", "xmax", "cmax", "tableoid")


def refuse_system_name(name: str) -> None:
    """PgError 42701 for a column named like one that every table has."""
    if name in SYSTEM_COLUMNS:
        raise PgError("42701", f'column name "{name}" conflicts with a system column name')


def with_generation(change: Change, table: Table, place: int, expr: ast.Expr) -> Column:
    """A generated column of `table`, its expression checked; with literals as in `with_default`. Raises PgError."""
    column = table.columns[place]
    target = (types.BY_OID[column.type_oid], column.typmod)
    purpose = f"generated:{column.name}"
    _bound, text = stored.bind_to_store(change.env, change.catalog, expr, table, target, purpose)
    return column if text is None else msgspec.structs.replace(column, default=text)


def with_default(change: Change, table: Table, place: int, expr: ast.Expr) -> Column:
    """A column of `table`, its default checked. Raises PgError.

    A literal such as 'now' is the moment of this statement (PostgreSQL, chapter 8.5.1.4), so the text that is
    kept names that moment; so it does with literals that TimeZone or DateStyle give their meaning.
    """
    column = table.columns[place]
    target = (types.BY_OID[column.type_oid], column.typmod)
    purpose = f"default:{column.name}"
    bound, text = stored.bind_to_store(change.env, change.catalog, expr, None, target, purpose)
    if isinstance(bound, Const) and bound.value is None:
        return msgspec.structs.replace(
            column, default=None
        )  # DEFAULT NULL is none (AddRelationNewConstraints)
    return column if text is None else msgspec.structs.replace(column, default=text)


def make_check(change: Change, table: Table, constraint: ast.Constraint, taken: Collection[str]) -> Check:
    """A CHECK constraint of `table`, named as PostgreSQL names it; literals as in `with_default`. Raises PgError."""
    assert constraint.expr is not None and constraint.expr_text is not None
    target = (types.BOOL, -1)
    bound, text = stored.bind_to_store(change.env, change.catalog, constraint.expr, table, target, "check")
    text = constraint.expr_text if text is None else text
    name = constraint.name
    if name is not None:
        if name in taken:
            raise PgError("42710", f'check constraint "{name}" already exists')
    else:
        used = {var.column for var in variables(bound)}
        parts = (
            (table.name, table.columns[used.pop()].name)
            if len(used) == 1 and min(used) >= 0
            else (table.name,)
        )
        name = choose_constraint_name(change.catalog, table.schema_oid, parts, "check", taken)
    return Check(change.new_oid(), name, text, validated=not constraint.not_valid)


# --- DROP ---


def drop(change: Change, statement: ast.DropStmt) -> Result:
    """DROP TABLE, INDEX, SCHEMA; DROP TRIGGER IF EXISTS, which finds none (dsql-reference §1.6)."""
    handler = {
        "table": _drop_table,
        "index": _drop_index,
        "schema": _drop_schema,
        "trigger": _drop_trigger,
    }[statement.kind]
    if statement.kind == "table":
        _release_tables(change, statement)
    for names in dict.fromkeys(statement.objects):
        handler(change, statement, names)
    return Result(f"DROP {statement.kind.upper()}")


def _missing(change: Change, statement: ast.DropStmt, names: ast.Names, error: PgError) -> None:
    """IF EXISTS turns a missing object into a notice."""
    if not statement.if_exists:
        raise error
    change.notices.append(PgError("00000", f"{error.message}, skipping"))


def _drop_trigger(change: Change, statement: ast.DropStmt, names: ast.Names) -> None:
    table, name = names[:-1], names[-1]
    if len(table) > 1 and table[-2] not in change.catalog.schema_names:
        absent = PgError("3F000", f'schema "{table[-2]}" does not exist')
    elif lookup(change.catalog, change.env, table) is None:
        absent = PgError("42P01", f'relation "{".".join(table)}" does not exist')
    else:
        absent = PgError("42704", f'trigger "{name}" for relation "{".".join(table)}" does not exist')
    _missing(change, statement, names, absent)


def _release_tables(change: Change, statement: ast.DropStmt) -> None:
    """Foreign keys between what is dropped and what is not. Raises PgError 2BP01."""
    leaving = []
    for names in dict.fromkeys(statement.objects):
        table = change.catalog.tables.get(lookup(change.catalog, change.env, names) or 0)
        if table is not None and privileges.is_owner(change.catalog, change.env.user, table.owner):
            leaving.append(table)
    references = change.catalog.references_to(leaving, {table.oid for table in leaving})
    constraints = ddl_depend.referring(change, references)
    if constraints and not statement.cascade:
        what = f"table {leaving[0].name}" if len(statement.objects) == 1 else "desired object(s)"
        raise ddl_depend.depended_on(
            f"cannot drop {what} because other objects depend on it",
            [f"{constraint} depends on {table}" for constraint, table in constraints],
        )
    ddl_depend.tell_cascade(change, [constraint for constraint, _table in constraints])
    ddl_foreign.release(change, leaving)


def _drop_table(change: Change, statement: ast.DropStmt, names: ast.Names) -> None:
    catalog = change.catalog
    shown = ".".join(names)
    if len(names) > 1 and names[-2] not in catalog.schema_names:
        _missing(change, statement, names, PgError("3F000", f'schema "{names[-2]}" does not exist'))
        return
    oid = lookup(catalog, change.env, names)
    if oid is None:
        _missing(change, statement, names, PgError("42P01", f'table "{shown}" does not exist'))
        return
    table = catalog.tables.get(oid)
    if table is None:
        raise PgError("42809", f'"{names[-1]}" is not a table', hint="Use DROP INDEX to remove an index.")
    require_owner(catalog, change.env, table.owner, f"table {table.name}")
    ddl_index.cancel_jobs(change, table)
    change.drop(table)
    ddl_index.submit_drop_job(change, table.oid, table.name, table.schema_oid)


def _drop_index(change: Change, statement: ast.DropStmt, names: ast.Names) -> None:
    catalog = change.catalog
    shown = ".".join(names)
    oid = lookup(catalog, change.env, names)
    if oid is None:
        _missing(change, statement, names, PgError("42704", f'index "{shown}" does not exist'))
        return
    if oid not in catalog.index_tables:
        raise PgError("42809", f'"{names[-1]}" is not an index', hint="Use DROP TABLE to remove a table.")
    table = catalog.tables[catalog.index_tables[oid]]
    require_owner(catalog, change.env, table.owner, f"index {names[-1]}")
    index = next(each for each in table.all_indexes if each.oid == oid)
    if index.constraint:
        raise PgError(
            "2BP01",
            f"cannot drop index {index.name} because constraint {index.name} on table {table.name} requires it",
            hint=f"You can drop constraint {index.name} on table {table.name} instead.",
        )
    ddl_depend.release_index(change, table, index, f"index {index.name}", statement.cascade)
    table = change.catalog.tables[table.oid]
    kept = tuple(each for each in table.indexes if each.oid != oid)
    change.put(msgspec.structs.replace(table, indexes=kept))
    ddl_index.submit_drop_job(change, oid, index.name, table.schema_oid)


def _drop_schema(change: Change, statement: ast.DropStmt, names: ast.Names) -> None:
    catalog = change.catalog
    name = names[-1]
    if name in SYSTEM_SCHEMAS or name == "public":
        raise refusals.SYSTEM_ENTITY.error()
    if name not in catalog.schema_names:
        _missing(change, statement, names, PgError("3F000", f'schema "{name}" does not exist'))
        return
    schema = find_schema(catalog, name)
    require_owner(catalog, change.env, schema.owner, f"schema {name}")
    inside = [table for table in catalog.tables.values() if table.schema_oid == schema.oid]
    references = catalog.references_to(inside, {table.oid for table in inside})
    tables = [f"table {name}.{table.name}" for table in inside]
    constraints = ddl_depend.referring(change, references)
    if inside and not statement.cascade:
        depends = [f"{table} depends on schema {name}" for table in tables]
        depends += [f"{constraint} depends on {table}" for constraint, table in constraints]
        raise ddl_depend.depended_on(f"cannot drop schema {name} because other objects depend on it", depends)
    ddl_foreign.release(change, inside)
    for table in inside:
        ddl_index.cancel_jobs(change, table)
        change.drop(table)
        ddl_index.submit_drop_job(change, table.oid, table.name, table.schema_oid)
    ddl_depend.tell_cascade(change, [*tables, *(constraint for constraint, _table in constraints)])
    ddl_defaults.leave_schema(change, schema.oid)
    change.drop(schema)
