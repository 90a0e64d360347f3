"""The views of schema opendsql: conflicts and their reasons, what runs, injections (docs/testing.md).

They show what the session has asked the node's desk for (server.session.observing). admin sees all of its cluster;
others see their own conflicts and transactions, and neither injections nor the hot keys, which are counted over all
users and may hold values of rows that they must not read.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from server.catalog.system_relation import Values, content
from server.sql.fn_datetime import UNIX_EPOCH
from server.testing.conflicts import Place


def _time(ns: int | None) -> int | None:
    """A timestamptz from nanoseconds since 1970."""
    return None if ns is None else ns // 1000 + UNIX_EPOCH


def _is_shown(env: Any, user: str) -> bool:
    return env.session_user in ("admin", user)


def _placed(place: Place) -> Values:
    return {
        "schema_name": place.schema, "table_name": place.table, "index_name": place.index, "key": place.key,
    }  # fmt: skip


@content("opendsql.conflicts", "node")
def _conflicts(env: Any) -> Iterator[Values]:
    for each in env.session.observed.losses:
        if _is_shown(env, each.user):
            yield _placed(each.place) | {
                "conflicted_at": _time(each.at), "error": each.code, "pid": each.process_id,
                "usename": each.user, "application_name": each.application,
                "start_time": _time(each.start_ts), "start_ts": each.start_ts,
                "transaction_id": each.transaction, "winner_transaction_id": each.winner,
                "winner_committed_at": _time(each.won_at), "winner_commit_ts": each.won_at,
                "injection_id": each.injection,
            }  # fmt: skip


@content("opendsql.hot_keys", "node")
def _hot_keys(env: Any) -> Iterator[Values]:
    if env.session_user == "admin":
        for each in env.session.observed.hot_keys:
            yield _placed(each.place) | {
                "conflicts": each.conflicts, "overcount": each.over, "last_conflict_at": _time(each.last),
            }  # fmt: skip


@content("opendsql.transactions", "node")
def _transactions(env: Any) -> Iterator[Values]:
    for each in env.session.observed.running:
        if _is_shown(env, each.user):
            yield {
                "pid": each.process_id, "usename": each.user, "application_name": each.application,
                "state": each.state, "xact_start": _time(each.begun), "start_time": _time(each.start_ts),
                "start_ts": each.start_ts, "rows_written": each.rows, "bytes_written": each.bytes,
                "rows_locked": each.locks,
            }  # fmt: skip


@content("opendsql.injections", "node")
def _injections(env: Any) -> Iterator[Values]:
    if env.session_user == "admin":
        for each in env.session.observed.injections:
            yield {
                "id": each.id, "kind": each.kind, "nth": each.nth, "times": each.times,
                "probability": each.probability, "seed": each.seed, "pid": each.process_id,
                "usename": each.role, "table_name": each.table, "ms": each.ms, "jitter_ms": each.jitter_ms,
                "created_at": _time(each.created), "matched": each.matched, "fired": each.fired,
            }  # fmt: skip
