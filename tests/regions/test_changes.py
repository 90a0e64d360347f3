"""Changes as a stream and reads of the past, on real regions: both tell the same of what both have written."""

import json
import os
import random
import threading
from typing import Any

import psycopg
import pytest

from tests.change_reader import ChangeReader, Replayed
from tests.regions.cluster import EAST, REGIONS, WEST, RegionCluster
from tests.serving_process import opendsql

if "OPENDSQL_REGIONS" not in os.environ:
    pytest.skip("takes minutes: make test-regions", allow_module_level=True)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def connected(cluster: RegionCluster, region: str) -> "psycopg.Connection[Any]":
    return psycopg.connect(cluster.dsn(region), autocommit=True, prepare_threshold=None)


def work(cluster: RegionCluster, region: str, seed: int) -> None:
    """Transactions among few keys; who loses goes on with the next."""
    dice = random.Random(seed)
    with connected(cluster, region) as db:
        for _ in range(25):
            try:
                with db.transaction():
                    for _ in range(dice.randrange(1, 4)):
                        key = dice.randrange(10)
                        db.execute("DELETE FROM t WHERE id = %s", (key,))
                        if dice.random() < 0.7:
                            db.execute("INSERT INTO t VALUES (%s, %s)", (key, dice.randrange(1000)))
            except psycopg.errors.SerializationFailure:
                pass


def rows(db: "psycopg.Connection[Any]") -> list[tuple[Any, ...]]:
    return db.execute("SELECT * FROM t ORDER BY id").fetchall()


def printed(cluster: RegionCluster, region: str, *options: object) -> list[dict[str, Any]]:
    ended = opendsql("journal", "--data", cluster.data / region / "node", "--format", "cdc", *options)
    assert (ended.returncode, ended.stderr) == (0, "")
    found = [json.loads(line) for line in ended.stdout.splitlines()]
    for record in found:
        strip(record)
    return found


def strip(record: dict[str, Any]) -> None:
    """Of what differs from reader to reader, and from region to region."""
    del record["ts_ms"], record["ts_ns"], record["source"]["cluster"]


def test_what_both_regions_write_is_told_by_each(cluster: RegionCluster) -> None:
    with connected(cluster, EAST) as east, connected(cluster, WEST) as west:
        with ChangeReader(cluster.data / WEST / "node", "--since", "now") as reader:
            begun = reader.position()
            east.execute("CREATE TABLE t (id int PRIMARY KEY, value int)")
            east.execute("CREATE TABLE done (id int PRIMARY KEY)")
            workers = [
                threading.Thread(target=work, args=(cluster, region, seed))
                for seed, region in enumerate((*REGIONS, *REGIONS))
            ]
            for each in workers:
                each.start()
            for each in workers:
                each.join()
            (moment,) = west.execute("SELECT clock_timestamp()").fetchone() or ()
            before = rows(west)
            east.execute("INSERT INTO done VALUES (1)")
            records = reader.until("done")
            assert reader.interrupt() == 0
        replayed = Replayed({"t": ("id",)})
        for record in records:
            replayed.apply(record)
            strip(record)
        assert sorted(tuple(row.values()) for row in replayed.rows["t"].values()) == before
        assert len(records) > 30
        assert printed(cluster, EAST, "--position", begun)[:-1] == records
        assert printed(cluster, WEST, "--position", begun)[:-1] == records
        half = records[len(records) // 2]["source"]["ts_ns"]
        later = [record for record in records if record["source"]["ts_ns"] > half]
        assert printed(cluster, EAST, "--position", half)[:-1] == later

        east.execute("UPDATE t SET value = -1")
        west.execute("ALTER TABLE t ADD COLUMN more int")
        for db in (east, west):
            db.execute("BEGIN READ ONLY")
            db.execute("SELECT opendsql.as_of(%s)", (moment,))
            assert rows(db) == before
            db.execute("COMMIT")
            assert all(row[1:] == (-1, None) for row in rows(db))
