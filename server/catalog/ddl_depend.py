"""What depends on an object that is dropped: errors without CASCADE, notices with it (dependency.c of PostgreSQL)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from server.catalog import ddl_foreign
from server.catalog.ddl import Change, lookup
from server.catalog.descriptor import ForeignKey, Index, Oid, Table
from server.errors import PgError
from server.sql.keywords import quote_ident


def shown(change: Change, oid: Oid) -> str:
    """A table's name as messages have it: with the schema where search_path does not lead to it."""
    table = change.catalog.tables[oid]
    if lookup(change.catalog, change.env, (table.name,)) == oid:
        return quote_ident(table.name)
    schema = change.catalog.schemas[table.schema_oid].name
    return f"{quote_ident(schema)}.{quote_ident(table.name)}"


def referring(change: Change, references: Sequence[tuple[Table, ForeignKey]]) -> list[tuple[str, str]]:
    """Of each foreign key: itself, and the table that it refers to."""
    return [
        (f"constraint {key.name} on table {shown(change, child.oid)}", f"table {shown(change, key.parent)}")
        for child, key in references
    ]


def depended_on(message: str, depends: Sequence[str]) -> PgError:
    """2BP01; `depends`: what depends on what, a line each."""
    hint = "Use DROP ... CASCADE to drop the dependent objects too."
    return PgError("2BP01", message, detail="\n".join(depends), hint=hint)


def tell_cascade(change: Change, dropped: Sequence[str]) -> None:
    """The notice of what CASCADE drops."""
    if len(dropped) == 1:
        change.notices.append(PgError("00000", f"drop cascades to {dropped[0]}"))
    elif dropped:
        listed = "\n".join(f"drop cascades to {each}" for each in dropped)
        change.notices.append(
            PgError("00000", f"drop cascades to {len(dropped)} other objects", detail=listed)
        )


def release_index(change: Change, table: Table, index: Index, what: str, cascade: bool) -> None:
    """Foreign keys that are looked up in a unique index go with it, or PgError 2BP01 says that `what` can't go."""
    release(
        change,
        table,
        what,
        cascade,
        lambda key: f"index {index.name}" if key.parent_index == index.oid else None,
    )


def release(
    change: Change,
    table: Table,
    what: str,
    cascade: bool,
    needs: Callable[[ForeignKey], str | None],
    others: Sequence[tuple[str, str]] = (),
) -> None:
    """Foreign keys to `table` of which `needs` names what they depend on go with CASCADE; else PgError 2BP01.

    `others`: what the caller drops, and what of `table` each depends on.
    """
    found = [
        (f"constraint {key.name} on table {shown(change, child.oid)}", child, key, needed)
        for child, key in change.catalog.references_to([table])
        if (needed := needs(key)) is not None
    ]
    if (found or others) and not cascade:
        raise depended_on(
            f"cannot drop {what} because other objects depend on it",
            [
                f"{name} depends on {needed}"
                for name, needed in [*others, *((name, needed) for name, _child, _key, needed in found)]
            ],
        )
    tell_cascade(change, [*(name for name, _needed in others), *(name for name, *_rest in found)])
    for _name, child, key, _needed in found:
        child = change.catalog.tables[child.oid]
        change.put(ddl_foreign.without_foreign_keys(change, child, [key.oid]))
