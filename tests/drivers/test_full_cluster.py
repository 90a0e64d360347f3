"""The storage limit over TCP, in every kind of process: writes are refused until a table was dropped."""

from pathlib import Path

import psycopg
import pytest

from tests.serving_process import ServeProcess

KINDS = {"one": (), "workers": ("--workers", "2"), "router": ("--router", "--workers", "2")}


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_full_cluster(tmp_path: Path, kind: str) -> None:
    options = ("--limit", "cluster_bytes=60000", *KINDS[kind])
    with ServeProcess(tmp_path / "data", *options) as server:
        with psycopg.connect(server.dsn(), autocommit=True) as db:
            db.execute("CREATE TABLE t (id int PRIMARY KEY, v bytea)")
            db.execute("CREATE TABLE u (id int PRIMARY KEY)")
            insert = (
                "INSERT INTO t SELECT n, decode(repeat('00', 1000), 'hex') FROM generate_series(1, 100) n"
            )
            db.execute(insert)
            with pytest.raises(
                psycopg.errors.DiskFull, match="Current cluster size exceeds cluster size limit"
            ):
                db.execute("INSERT INTO u VALUES (1)")
            db.execute("DROP TABLE t")
            jobs = db.execute("SELECT job_id FROM sys.jobs WHERE job_type = 'DROP'").fetchall()
            for (job,) in jobs:
                db.execute(f"CALL sys.wait_for_job('{job}')")
            assert db.execute("INSERT INTO u VALUES (1)").rowcount == 1
        assert server.stop() == 0
        assert server.stderr == ""
