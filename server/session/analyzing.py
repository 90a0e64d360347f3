"""ANALYZE of one table (dsql-reference §1.8): a job like those that run by themselves, and the statement waits for it.

So it is no transaction of the session, which would end after five minutes, and works wherever jobs do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from server.catalog import privileges, store
from server.catalog.ddl_index import ANALYSIS, make_job
from server.catalog.descriptor import Table
from server.errors import PgError
from server.session.transaction import BLIND, Transaction
from server.session.work import Work

if TYPE_CHECKING:
    from server.session.session import SqlSession


def analyze(session: SqlSession, table: Table) -> Work:
    """Count the table's rows, for pg_class.reltuples. Raises PgError; a warning where it is somebody else's."""
    from server.session.utility import warn

    node = session.node
    catalog = node.catalog(session.cluster)
    if not privileges.is_owner(catalog, session.user, table.owner):
        warn(session, PgError("01000", f'permission denied to analyze "{table.name}", skipping'))
        return
    txn = Transaction(node.reads, catalog, node.start_ts(), node.limits, implicit=True)
    name = f"{catalog.schema_of(table)}.{table.name}"
    job = make_job(txn.new_row_id(), ANALYSIS, table.oid, name, table.oid, txn.now)
    job = msgspec.structs.replace(job, is_prompt=True)
    txn.put(store.job_key(session.cluster, job.job_id), store.encode(job), BLIND)
    txn.end_statement()
    yield from session.wait_for(node.submit(txn, txn.check_size()))
    yield from session.wait_for(node.jobs.wait_for(session.cluster, job.job_id, True))
