"""The composite type that every table has for its rows (PostgreSQL, chapter 8.16)."""

from dataclasses import dataclass
from functools import lru_cache

from server.catalog.descriptor import Column, Table
from server.sql.type_record import Record, named_record_io, record_class
from server.sql.type_table import BY_OID, RECORD, Type, make_array

ROW_OIDS = 1 << 29
"""What a table's oid and its row type's oid differ by; the array of rows is at twice that."""


@dataclass(frozen=True, slots=True, eq=False)
class RowType(Type):
    """The type of a table's rows. `columns` are its live columns, `made` the class of its values."""

    columns: tuple[Column, ...]
    made: type[Record]

    @property
    def fields(self) -> tuple[tuple[str, Type, int], ...]:
        """(name, type, typmod) of each column."""
        return tuple((column.name, BY_OID[column.type_oid], column.typmod) for column in self.columns)


def row_type(table: Table) -> RowType:
    """The row type of a table: the same object as long as its name and columns stay the same.

    Its `name` is no built-in type's, whatever the table is called.
    """
    return _row_type(table.oid, table.name, tuple(c for c in table.columns if not c.dropped))


@lru_cache(1024)
def _row_type(oid: int, name: str, columns: tuple[Column, ...]) -> RowType:
    kinds = tuple(BY_OID[column.type_oid] for column in columns)
    made = record_class(kinds, tuple(column.name for column in columns))
    functions = named_record_io(made, [column.typmod for column in columns])
    return RowType(
        oid=oid + ROW_OIDS, name=f"row {name}", display=name, array_oid=oid + 2 * ROW_OIDS, element=None, category="C",
        subtype=None, preferred=False, length=-1, by_value=False, align="d", storage="x", kind="c", collation=0,
        columns=columns, made=made, **functions._asdict(),
    )  # fmt: skip


@lru_cache(1024)
def _row_array(element: RowType) -> Type:
    return make_array(element)


def array_of(element: Type) -> Type | None:
    """The array type that holds `element`; None when there is none (arrays themselves, pseudo-types)."""
    return _row_array(element) if isinstance(element, RowType) else BY_OID.get(element.array_oid)


def is_row(kind: Type) -> bool:
    """Whether the type's values are rows."""
    return kind is RECORD or kind.kind == "c"
