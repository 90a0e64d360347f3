"""COMMIT of a transaction that wrote or locked something."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.catalog.ddl_index import awaited_job
from server.catalog.descriptor import Job
from server.errors import PgError
from server.session import foreign, injecting, rebase
from server.session.transaction import Transaction
from server.session.work import Work

if TYPE_CHECKING:
    from server.session.session import SqlSession


def adjudicate(session: SqlSession, txn: Transaction) -> Work:
    """What was deferred until COMMIT, then the verdict, then a job that was to be waited for. Raises PgError."""
    if txn.checks is not None:
        yield from foreign.settle(session, txn)
    if session.node.desk.armed:
        yield from injecting.at_commit(session, txn)
    wait = session.submit(txn)
    yield wait
    session.decided(txn, wait)
    job = awaited_job(txn.writes.values()) if txn.ddl else None
    if job is not None:
        yield from _await(session, job)


def _await(session: SqlSession, job: Job) -> Work:
    """The end of an index's job; the session knows the index as the job left it.

    Raises PgError 57014, and as the job failed: 23505, 54000, or what the index's expressions raised.
    """
    completed = yield from session.wait_for(session.node.jobs.wait_for(session.cluster, job.job_id, True))
    rebase.move_on(session, session.node.catalog(session.cluster))
    if not completed:
        raise _failure(session.node.jobs.find(session.cluster, job.job_id) or job)


def _failure(job: Job) -> PgError:
    """What CREATE INDEX raises in PostgreSQL where the rows can't have the index."""
    name = job.object_name.rpartition(".")[2]
    if job.sqlstate == "23505":
        return PgError("23505", f'could not create unique index "{name}"')
    return PgError(job.sqlstate or "XX000", job.details or f'could not create index "{name}"')
