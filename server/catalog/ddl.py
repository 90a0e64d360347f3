"""DDL: statements that change the catalog; each one writes catalog rows and the version row (DESIGN §6.7)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from journal.record import LockClass, Write
from server.catalog import privileges, store
from server.catalog.descriptor import SYSTEM_SCHEMAS, Catalog, DefaultAcl, Index, Oid, Role, Schema, Table
from server.errors import PgError
from server.sql import ast, types
from server.sql.env import Env
from server.sql.limits import Limits
from server.sql.tree import OutputColumn

EXCLUSIVE = int(LockClass.EXCLUSIVE)
Object: TypeAlias = Table | Schema | Role | DefaultAcl


class Txn(Protocol):
    """What DDL needs of the transaction."""

    catalog: Catalog
    cluster: int
    ddl: bool
    now: int
    start_ts: int
    limits: Limits
    used: set[Oid]

    def put(self, key: bytes, value: bytes, lock: int) -> None: ...
    def delete(self, key: bytes, lock: int) -> None: ...
    def end_statement(self) -> None: ...
    def scan(self, lo: bytes, hi: bytes) -> tuple[list[bytes], bytes | None]: ...
    def new_row_id(self) -> bytes: ...


class SessionEnv(Env):
    """What DDL needs of the session, beside what its expressions need: who it is, and where it looks for names."""

    __slots__ = ("search_path", "user")

    user: str
    search_path: tuple[str, ...]

    def inside(self, user: str, schema: str, catalog: Catalog) -> SessionEnv:
        """That of another user, who looks for names in `schema` of `catalog` first."""
        made = copy(self)
        made.user = user
        made.search_path = (schema, *self.search_path)
        return made


@dataclass(slots=True)
class Result:
    """Tag and rows of a DDL statement."""

    tag: str
    columns: tuple[OutputColumn, ...] = ()
    rows: Sequence[tuple[Any, ...]] = ()


class Change:
    """The catalog as the transaction changes it: descriptors by oid, and the writes that make it so."""

    def __init__(self, txn: Txn, env: SessionEnv, notices: list[PgError]) -> None:
        self.txn = txn
        self.env = env
        self.catalog = txn.catalog
        self.next_oid = txn.catalog.next_oid
        self.notices = notices
        self._writes: list[Write] = []

    def new_oid(self) -> Oid:
        oid = self.next_oid
        self.next_oid += 1
        return oid

    def put(self, descriptor: Object) -> None:
        """Create or replace an object."""
        self._write(_space(descriptor), descriptor.oid, store.encode(descriptor))

    def drop(self, descriptor: Object) -> None:
        self._write(_space(descriptor), descriptor.oid, None)

    def put_job(self, job_id: str, value: bytes) -> None:
        """A job row: beside the catalog, it is no change of it."""
        self.txn.put(store.job_key(self.txn.cluster, job_id), value, EXCLUSIVE)

    def _write(self, space: int, oid: Oid, value: bytes | None) -> None:
        write = Write(store.object_key(self.txn.cluster, space, oid), value, EXCLUSIVE)
        self._writes.append(write)
        self.catalog = store.changed(self.catalog, [write, self._version()], self.txn.start_ts, pending=True)

    def _version(self) -> Write:
        return Write(store.version_key(self.txn.cluster), store.encode_version(self.next_oid), EXCLUSIVE)

    def finish(self) -> None:
        """Put everything into the transaction's buffer."""
        if not self._writes:
            return
        txn = self.txn
        for write in [*self._writes, self._version()]:
            if write.value is None:
                txn.delete(write.key, write.lock)
            else:
                txn.put(write.key, write.value, write.lock)
        txn.catalog = self.catalog
        txn.ddl = True
        txn.end_statement()

    @property
    def user_oid(self) -> Oid:
        return privileges.role_oid(self.catalog, self.env.user)


_SPACES = {
    Table: store.TABLES,
    Schema: store.SCHEMAS,
    Role: store.ROLES,
    DefaultAcl: store.DEFAULT_ACLS,
}


def _space(descriptor: Object) -> int:
    return _SPACES[type(descriptor)]


@contextmanager
def without_position() -> Iterator[None]:
    """Errors about expressions in ALTER TABLE don't say where they stand: PostgreSQL has lost the text by then."""
    try:
        yield
    except PgError as error:
        error.position = None
        raise


# --- names ---


def find_schema(catalog: Catalog, name: str) -> Schema:
    """A user's schema by name; PgError 3F000, 42501 for the system's."""
    oid = catalog.schema_names.get(name)
    if oid is None:
        if name in SYSTEM_SCHEMAS:
            raise PgError("42501", f"permission denied for schema {name}")
        raise PgError("3F000", f'schema "{name}" does not exist')
    return catalog.schemas[oid]


def creation_schema(catalog: Catalog, env: SessionEnv, names: ast.Names) -> Schema:
    """Where a new object goes: the schema it names, or the first of search_path that exists."""
    if len(names) > 1:
        return find_schema(catalog, names[-2])
    for name in privileges.usable_path(catalog, env.user, env.search_path):
        if name in catalog.schema_names:
            return catalog.schemas[catalog.schema_names[name]]
    raise PgError("3F000", "no schema has been selected to create in")


def find_role(change: Change, name: str) -> Role:
    """A role by name, which may be CURRENT_USER or its like; PgError 42704."""
    if name in _SELF and name not in change.catalog.role_names:
        name = change.env.user
    return change.catalog.roles[privileges.role_oid(change.catalog, name)]


_SELF = ("current_user", "current_role", "session_user")


def require_create(catalog: Catalog, env: SessionEnv, schema: Schema, at: int = -1) -> None:
    """PgError 42501 unless the user may create objects in the schema (only admin in public)."""
    if not privileges.may_in_schema(catalog, env.user, schema, "CREATE"):
        raise privileges.schema_denied(schema.name, at)


def require_owner(catalog: Catalog, env: SessionEnv, owner: Oid, what: str) -> None:
    """PgError 42501 unless the user owns it, itself or as a member of the owner (admin owns everything)."""
    if not privileges.is_owner(catalog, env.user, owner):
        raise PgError("42501", f"must be owner of {what}")


def lookup(catalog: Catalog, env: SessionEnv, names: ast.Names) -> Oid | None:
    """The oid of a relation by name, along search_path; PgError 42501 for a schema that the user may not use."""
    if len(names) > 1:
        schema = catalog.schema_names.get(names[-2])
        if schema is not None:
            privileges.require_usage(catalog, env.user, names[-2])
        return None if schema is None else catalog.relation_names.get((schema, names[-1]))
    for name in privileges.usable_path(catalog, env.user, env.search_path):
        schema = catalog.schema_names.get(name)
        oid = catalog.relation_names.get((schema, names[-1])) if schema is not None else None
        if oid is not None:
            return oid
    return None


def _is_schema(catalog: Catalog, name: str) -> bool:
    return name in catalog.schema_names or name in SYSTEM_SCHEMAS


def find_relation(
    catalog: Catalog, env: SessionEnv, names: ast.Names, at: int = -1
) -> tuple[Table, Index | None]:
    """A table by name, or an index and its table; PgError 42P01, 3F000."""
    oid = lookup(catalog, env, names)
    if oid is None:
        shown = ".".join(names)
        if len(names) > 1 and not _is_schema(catalog, names[-2]):
            raise PgError("3F000", f'schema "{names[-2]}" does not exist')
        position = at + 1 if at >= 0 else None
        raise PgError("42P01", f'relation "{shown}" does not exist', position=position)
    table = catalog.tables.get(oid)
    if table is not None:
        return table, None
    found = catalog.find_index(oid)
    assert found is not None
    return found


def find_table(catalog: Catalog, env: SessionEnv, relation: ast.RangeVar) -> Table:
    """A table by name; PgError 42P01, 3F000, 42809."""
    table, index = find_relation(catalog, env, relation.names, relation.at)
    if index is not None:
        raise PgError("42809", f'"{relation.names[-1]}" is not a table')
    return table


NAME_BYTES = 63


def choose_relation_name(
    catalog: Catalog, schema: Oid, parts: Sequence[str], label: str, taken: Collection[str]
) -> str:
    """PostgreSQL's ChooseRelationName: table_columns_label, cut to 63 bytes, then 1, 2, ... until it is free."""
    return _choose(parts, label, lambda name: name in taken or (schema, name) in catalog.relation_names)


def choose_constraint_name(
    catalog: Catalog, schema: Oid, parts: Sequence[str], label: str, taken: Collection[str]
) -> str:
    """PostgreSQL's ChooseConstraintName: as that of a relation, but free among the schema's constraints."""
    names = schema_constraint_names(catalog, schema)
    return _choose(parts, label, lambda name: name in taken or name in names)


def constraint_names(table: Table) -> set[str]:
    """Names of all constraints of a table."""
    return {
        *(check.name for check in table.checks),
        *(key.name for key in table.foreign_keys),
        *(index.name for index in table.all_indexes if index.constraint),
    }


def schema_constraint_names(catalog: Catalog, schema: Oid) -> set[str]:
    """Names of all constraints of the tables of a schema."""
    return {
        name
        for table in catalog.tables.values()
        if table.schema_oid == schema
        for name in constraint_names(table)
    }


def _choose(parts: Sequence[str], label: str, is_taken: Callable[[str], bool]) -> str:
    number = 0
    while True:
        name = make_object_name(parts[0], "_".join(parts[1:]), label + (str(number) if number else ""))
        if not is_taken(name):
            return name
        number += 1


def make_object_name(first: str, rest: str, label: str) -> str:
    """PostgreSQL's makeObjectName: the longer of the first two parts gives bytes until all of it fits."""
    parts = [first.encode(), rest.encode()]
    sizes = [len(parts[0]), len(parts[1])]
    room = NAME_BYTES - len(label.encode()) - 1 - (1 if rest else 0)
    while sum(sizes) > room:
        sizes[0 if sizes[0] > sizes[1] else 1] -= 1
    cut = [part[:size].decode(errors="ignore") for part, size in zip(parts, sizes)]
    return "_".join([cut[0], *([cut[1]] if rest else []), label])


# --- dispatch ---

Execute = Callable[[Change, Any], Result]
JOB_COLUMNS = (OutputColumn("job_id", types.TEXT),)


def _handlers() -> dict[type, Execute]:
    from server.catalog import (
        ddl_alter,
        ddl_comment,
        ddl_defaults,
        ddl_grant,
        ddl_iam,
        ddl_index,
        ddl_membership,
        ddl_owner,
        ddl_role,
        ddl_schema,
        ddl_table,
    )

    def grant(change: Change, statement: ast.GrantStmt) -> Result:
        handler = ddl_membership.grant if statement.kind == "role" else ddl_grant.grant
        return handler(change, statement)

    def rename(change: Change, statement: ast.RenameStmt) -> Result:
        handler = ddl_role.rename if statement.kind == "role" else ddl_alter.rename
        return handler(change, statement)

    return {
        ast.CreateStmt: ddl_table.create_table,
        ast.DropStmt: ddl_table.drop,
        ast.CreateSchemaStmt: ddl_schema.create_schema,
        ast.IndexStmt: ddl_index.create_index,
        ast.AlterTableStmt: ddl_alter.alter_table,
        ast.RenameStmt: rename,
        ast.AlterObjectSchemaStmt: ddl_alter.set_schema,
        ast.RoleStmt: ddl_role.role,
        ast.GrantStmt: grant,
        ast.AlterDefaultPrivilegesStmt: ddl_defaults.alter,
        ast.AlterOwnerStmt: ddl_owner.schema,
        ast.IamGrantStmt: ddl_iam.grant,
        ast.CommentStmt: ddl_comment.comment,
    }


STATEMENTS = (
    ast.CreateStmt,
    ast.DropStmt,
    ast.CreateSchemaStmt,
    ast.IndexStmt,
    ast.AlterTableStmt,
    ast.RenameStmt,
    ast.AlterObjectSchemaStmt,
    ast.RoleStmt,
    ast.GrantStmt,
    ast.AlterDefaultPrivilegesStmt,
    ast.AlterOwnerStmt,
    ast.IamGrantStmt,
    ast.CommentStmt,
)


def execute(statement: Any, txn: Txn, env: SessionEnv, notices: list[PgError]) -> Result:
    """Run one DDL statement inside the transaction; what it tells is in `notices`, also when it fails with PgError."""
    change = Change(txn, env, notices)
    result = run(change, statement)
    change.finish()
    return result


def run(change: Change, statement: Any) -> Result:
    """Do what one statement says, whole or as a part of another one. Raises PgError."""
    return _handlers()[type(statement)](change, statement)


def columns_of(statement: Any) -> tuple[OutputColumn, ...]:
    """The rows that a DDL statement returns, for Describe: the job of an asynchronous one."""
    if isinstance(statement, ast.IndexStmt | ast.AlterTableStmt) and statement.asynchronous:
        return JOB_COLUMNS
    return ()


def tag_of(statement: Any) -> str:
    """The command tag, as errors name the statement."""
    if isinstance(statement, ast.DropStmt):
        return f"DROP {statement.kind.upper()}"
    names = {
        ast.CreateStmt: "CREATE TABLE",
        ast.CreateSchemaStmt: "CREATE SCHEMA",
        ast.IndexStmt: "CREATE INDEX",
        ast.AlterTableStmt: "ALTER TABLE",
        ast.AlterObjectSchemaStmt: "ALTER TABLE",
        ast.CommentStmt: "COMMENT",
        ast.AlterDefaultPrivilegesStmt: "ALTER DEFAULT PRIVILEGES",
        ast.AlterOwnerStmt: "ALTER SCHEMA",
    }
    if isinstance(statement, ast.RenameStmt):
        kind = "table" if statement.kind in ("column", "constraint") else statement.kind
        return f"ALTER {kind.upper()}"
    if isinstance(statement, ast.RoleStmt):
        return f"{statement.action.upper()} ROLE"
    if isinstance(statement, ast.GrantStmt):
        if statement.kind == "role":
            return "GRANT ROLE" if statement.grant else "REVOKE ROLE"
        return "GRANT" if statement.grant else "REVOKE"
    if isinstance(statement, ast.IamGrantStmt):
        return "AWS IAM GRANT" if statement.grant else "AWS IAM REVOKE"
    return names[type(statement)]
