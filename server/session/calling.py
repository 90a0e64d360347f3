"""CALL: the one procedure that DSQL has, sys.wait_for_job (dsql-reference §6), and ours (calling_opendsql)."""

from __future__ import annotations

import re
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from server.errors import PgError
from server.session import calling_opendsql, past
from server.session.work import Slice, Wait
from server.sql import ast, types

if TYPE_CHECKING:
    from server.session.session import SqlSession

_JOB_ID = re.compile(r"[a-z2-7]{26}")


def call(
    session: SqlSession, statement: ast.CallStmt
) -> Generator[Slice | Wait[object], None, list[tuple[Any, ...]]]:
    """Run CALL: one row; of sys.wait_for_job(text), true when the job completed. Raises PgError."""
    function = statement.function
    if calling_opendsql.is_one(function.names):
        return (yield from calling_opendsql.call(session, function))
    if ".".join(function.names) == past.NAME:
        message, hint = (
            f"{past.NAME}(timestamp with time zone) is not a procedure",
            "To call a function, use SELECT.",
        )
        raise PgError("42809", message, hint=hint)
    if function.names[-1] != "wait_for_job" or function.names[:-1] not in (("sys",), ()):
        shown = ".".join(function.names)
        raise PgError("42883", f"procedure {shown} does not exist")
    if len(function.args) != 1:
        raise PgError("42883", f"procedure {'.'.join(function.names)}() does not exist")
    txn = session.txn or session.begin(implicit=True)
    job_id = calling_opendsql.value_of(session, txn, function.args[0], types.TEXT)
    if not isinstance(job_id, str) or not _JOB_ID.fullmatch(job_id):
        raise PgError("22P02", "Unable to convert text to UUID")
    completed = yield from session.wait_for(session.node.jobs.wait_for(session.cluster, job_id))
    return [(completed,)]
