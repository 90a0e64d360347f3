"""How large tables may be (dsql-reference §4)."""

from collections.abc import Sequence

from server.catalog.descriptor import Column
from server.errors import PgError
from server.sql.limits import Limits


def check_columns(limits: Limits, columns: Sequence[Column], has_primary_key: bool) -> None:
    """PgError 54011 for too many columns, or too many that there ever were. A primary key's index has all of them."""
    most = limits.columns_per_table
    if sum(not column.dropped for column in columns) > most:
        if has_primary_key:
            raise PgError("54011", f"cannot use more than {most} columns in an index")
        raise PgError("54011", f"tables can have at most {most - 1} columns")
    if len(columns) > limits.columns_ever_per_table:
        raise PgError("54011", f"tables can have at most {limits.columns_ever_per_table} columns")
