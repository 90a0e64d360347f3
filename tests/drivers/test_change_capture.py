"""`opendsql journal --format cdc`: what it prints, replayed, is the tables; where a reader begins, and how it ends."""

import json
import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from server.runtime.change_records import crc32c
from tests.change_reader import LIMIT_S, ChangeReader, Replayed, as_json
from tests.server import empty
from tests.serving_process import PROGRAM, ROOT, ServeProcess, opendsql

Connection = psycopg.Connection[Any]
KEYS = {"account": ("id",), "pair": ("a", "b")}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServeProcess]:
    with ServeProcess(tmp_path_factory.mktemp("capture") / "data") as running:
        yield running
        assert running.stop() == 0
        assert running.stderr == ""


@pytest.fixture
def db(server: ServeProcess) -> Iterator[Connection]:
    with psycopg.connect(server.dsn(), autocommit=True, prepare_threshold=None) as connection:
        yield connection
    empty(server.dsn())


def printed(server: ServeProcess, *options: object) -> list[dict[str, Any]]:
    """What is printed without --follow."""
    ended = opendsql("journal", "--data", server.data, "--format", "cdc", *options)
    assert (ended.returncode, ended.stderr) == (0, "")
    return [json.loads(line) for line in ended.stdout.splitlines()]


def statement(dice: random.Random, db: Connection) -> None:
    """One change of rows among few keys: created, changed, moved to another key, deleted, or both at once."""
    one, other = dice.randrange(8), dice.randrange(8)
    value = dice.choice(["", "x", 'quote " and \\ and \n', "ü€"]) + str(dice.randrange(100))
    choice = dice.randrange(7)
    if choice == 0:
        db.execute(
            "INSERT INTO account VALUES (%s, %s, %s) ON CONFLICT (id) DO UPDATE SET name = excluded.name",
            (one, value, dice.randrange(1000) / 8),
        )
    elif choice == 1:
        db.execute("UPDATE account SET name = %s WHERE id <= %s", (value, one))
    elif choice == 2:
        db.execute("UPDATE account SET id = %s WHERE id = %s AND NOT EXISTS (SELECT FROM account WHERE id = %s)",
                   (other, one, other))  # fmt: skip
    elif choice == 3:
        db.execute("DELETE FROM account WHERE id = %s", (one,))
    elif choice == 4:
        db.execute("DELETE FROM account WHERE id = %s", (one,))
        db.execute("INSERT INTO account VALUES (%s, %s, NULL)", (one, value))
    elif choice == 5:
        db.execute("INSERT INTO pair VALUES (%s, %s) ON CONFLICT DO NOTHING", (value, one))
        db.execute("UPDATE pair SET b = b + 10 WHERE b = %s", (other,))
    else:
        db.execute("INSERT INTO pair VALUES ('gone', 1000)")
        db.execute("DELETE FROM pair WHERE b > 30")


def work(dsn: str, seed: int) -> None:
    """Transactions of one to five statements, some of which are rolled back; who loses goes on with the next."""
    dice = random.Random(seed)
    with psycopg.connect(dsn, autocommit=True, prepare_threshold=None) as db:
        for _ in range(40):
            try:
                with db.transaction(force_rollback=dice.random() < 0.15):
                    for _ in range(dice.randrange(1, 6)):
                        statement(dice, db)
            except (psycopg.errors.SerializationFailure, psycopg.errors.UniqueViolation):
                pass


def create(db: Connection) -> None:
    db.execute("CREATE TABLE account (id int PRIMARY KEY, name text, balance numeric(12, 3))")
    db.execute("CREATE TABLE pair (a text, b int, PRIMARY KEY (a, b))")
    db.execute("CREATE TABLE done (id int PRIMARY KEY)")


def run_all(dsn: str, seeds: range) -> None:
    workers = [threading.Thread(target=work, args=(dsn, seed)) for seed in seeds]
    for each in workers:
        each.start()
    for each in workers:
        each.join()


def check(replayed: Replayed, db: Connection) -> None:
    for table, keys in KEYS.items():
        cursor = db.execute(f"SELECT * FROM {table}")
        names = [column.name for column in cursor.description or ()]
        rows = [dict(zip(names, map(as_json, row), strict=True)) for row in cursor]
        assert replayed.rows[table] == {tuple(row[name] for name in keys): row for row in rows}


@pytest.mark.parametrize("first", [1, 4, 7])
def test_the_records_replayed_are_the_tables(server: ServeProcess, db: Connection, first: int) -> None:
    replayed = Replayed(KEYS)
    with ChangeReader(server.data, "--since", "now") as reader:
        begun = reader.position()
        create(db)
        run_all(server.dsn(), range(first, first + 3))
        db.execute("INSERT INTO done VALUES (1)")
        records = reader.until("done")
        for record in records:
            replayed.apply(record)
        check(replayed, db)
        assert len(records) > 50 and {record["op"] for record in records} == {"c", "u", "d"}
        assert reader.interrupt() == 0
        said = reader.positions()
        assert said == sorted(set(said))
    again = printed(server, "--position", begun)[:-1]
    for record in (*records, *again):
        del record["ts_ms"], record["ts_ns"]
    assert again == records


@pytest.mark.slow
def test_a_reader_that_is_killed_goes_on_where_it_was(server: ServeProcess, db: Connection) -> None:
    create(db)
    replayed = Replayed(KEYS)
    with ChangeReader(server.data, "--since", "now") as reader:
        position = reader.position()
    dice = random.Random(5)
    for number in range(6):
        work(server.dsn(), 100 + number)
        db.execute("INSERT INTO done VALUES (%s)", (number,))
        with ChangeReader(server.data, "--position", position) as reader:
            records = reader.until("done")
        cut = _cut(records, dice)
        whole = [record for record in records if record["source"]["ts_ns"] <= cut]
        for record in whole:
            replayed.apply(record)
        position = max((record["source"]["ts_ns"] for record in whole), default=position)
    with ChangeReader(server.data, "--position", position) as reader:
        db.execute("INSERT INTO done VALUES (100)")
        while (record := reader.record())["after"] != {"id": 100}:
            if record["source"]["table"] != "done":
                replayed.apply(record)
    check(replayed, db)


def _cut(records: list[dict[str, Any]], dice: random.Random) -> int:
    """The time of one of the transactions: what came later was lost on the way."""
    times = [record["source"]["ts_ns"] for record in records]
    return dice.choice(times) if times else 0


def test_a_record(server: ServeProcess, db: Connection) -> None:
    """Every field, of a table whose columns change meanwhile."""
    db.execute("CREATE SCHEMA s")
    db.execute("CREATE TABLE s.t (id int PRIMARY KEY, at timestamptz, code char(4))")
    since = datetime.now(UTC)
    db.execute("INSERT INTO s.t VALUES (1, '2001-02-03 04:05:06.000007+00', 'ab')")
    db.execute("ALTER TABLE s.t ADD COLUMN note json")
    db.execute("UPDATE s.t SET note = '{\"a\": 1}'")
    db.execute("DELETE FROM s.t")
    db.execute("DROP TABLE s.t")
    db.execute("DROP SCHEMA s")
    created, updated, deleted = printed(server, "--since", since.isoformat())
    assert list(created) == ["type", "op", "before", "after", "source", "ts_ms", "ts_ns"]
    assert (created["type"], created["op"], created["before"]) == ("full", "c", None)
    assert created["after"] == {"id": 1, "at": 981_173_106_000_007, "code": "ab"}
    assert (updated["op"], updated["after"]) == ("u", {**created["after"], "note": '{"a": 1}'})
    assert (deleted["op"], deleted["before"], deleted["after"]) == ("d", {"id": 1}, None)
    source = created["source"]
    assert list(source) == ["version", "ts_ms", "ts_ns", "txId", "schema", "table", "db", "cluster"]
    assert (source["version"], source["schema"], source["table"], source["db"]) == (
        "1.0",
        "s",
        "t",
        "postgres",
    )
    assert source["ts_ms"] == source["ts_ns"] // 1_000_000 >= since.timestamp() * 1000 - 1
    assert created["ts_ns"] > source["ts_ns"] and created["ts_ms"] == created["ts_ns"] // 1_000_000
    assert source["cluster"] in opendsql("cluster-list", "--data", server.data).stdout
    assert len(source["txId"]) == 26
    assert len({each["source"]["txId"] for each in (created, updated, deleted)}) == 3


def test_of_one_cluster(server: ServeProcess, db: Connection) -> None:
    with ChangeReader(server.data, "--since", "now") as reader:
        begun = reader.position()
    (other,) = db.execute("CALL opendsql.new_cluster()").fetchone() or ()
    with psycopg.connect(server.dsn(), autocommit=True, options=f"-c amzn-cluster-id={other}") as there:
        for each in (db, there):
            each.execute("CREATE TABLE t (id int PRIMARY KEY)")
            each.execute("INSERT INTO t VALUES (%s)", (1 if each is db else 2,))
    own, others = printed(server, "--position", begun)
    assert (own["after"], others["after"], others["source"]["cluster"]) == ({"id": 1}, {"id": 2}, other)
    for chosen, expected in ((own, {"id": 1}), (others, {"id": 2})):
        (found,) = printed(server, "--position", begun, "--cluster", chosen["source"]["cluster"])
        assert found["after"] == expected
    db.execute(f"CALL opendsql.drop_cluster('{other}')")


@pytest.mark.slow
def test_a_row_beyond_nine_mebibytes_of_json_comes_in_fragments(server: ServeProcess, db: Connection) -> None:
    db.execute("CREATE TABLE large (id int PRIMARY KEY, a text, b text)")
    with ChangeReader(server.data, "--since", "now") as reader:
        reader.position()
        control = "\x01" * 900_000  # six characters of JSON each, and little where it is stored
        db.execute("INSERT INTO large VALUES (1, %s, %s)", (control, control))
        fragments = []
        while (record := reader.record())["type"] == "fragment":
            fragments.append(record)
    named = record["chunked"]["after"]
    assert (record["type"], record["after"], named["total_fragments"]) == ("chunked", None, len(fragments))
    assert len(fragments) > 1
    text = "".join(each["data"] for each in fragments)
    assert str(crc32c(text.encode())) == named["crc32c"]
    assert json.loads(text) == {"id": 1, "a": control, "b": control}


def test_a_reader_that_takes_nothing_holds_nobody_up(server: ServeProcess, db: Connection) -> None:
    """And gets everything once it does."""
    db.execute("CREATE TABLE t (id int PRIMARY KEY, v text)")
    command = [sys.executable, "-c", PROGRAM, "journal", "--data", str(server.data)]
    command += ["--format", "cdc", "--follow", "--since", datetime.now(UTC).isoformat()]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as reader:
        assert reader.stdout is not None
        for number in range(60):  # more than pipes and sockets hold
            db.execute("INSERT INTO t VALUES (%s, %s)", (number, "x" * 100_000))
        ids = [json.loads(reader.stdout.readline())["after"]["id"] for _ in range(60)]
        assert ids == list(range(60))
        reader.kill()


def test_a_reader_ends_when_nobody_reads_it(server: ServeProcess) -> None:
    """Also when nothing is committed that it could print."""
    command = [sys.executable, "-c", PROGRAM, "journal", "--data", str(server.data)]
    command += ["--format", "cdc", "--follow", "--since", "now", "--positions"]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as reader:
        assert reader.stdout is not None and reader.stderr is not None
        assert reader.stderr.readline().startswith("position ")
        reader.stdout.close()
        assert reader.wait(LIMIT_S) == 1
        assert reader.stderr.read() == ""


def test_where_a_reader_may_begin(server: ServeProcess) -> None:
    for options, code, said in (
        (("--position", "9" * 19), 1, "is still to come: the newest is"),
        (("--since", "tomorrow"), 2, "--since: 'tomorrow' is neither 'now' nor a time such as"),
        (("--since", "now", "--position", "1"), 2, "one of --from, --position and --since"),
        (("--cluster", "nobodys"), 1, "there is no cluster nobodys"),
        (("--records",), 2, "--records and --journal are not of --format cdc"),
        (("--journal", "0"), 2, "--records and --journal are not of --format cdc"),
        (
            ("--format", "changes", "--positions"),
            2,
            "--position, --since, --positions and --cluster are of --format cdc",
        ),
    ):
        ended = opendsql("journal", "--data", server.data, "--format", "cdc", *options)
        assert (ended.returncode, ended.stdout) == (code, "")
        assert said in ended.stderr


def test_a_time_before_the_journal_began_is_its_beginning(server: ServeProcess, db: Connection) -> None:
    db.execute("CREATE TABLE t (id int PRIMARY KEY)")
    db.execute("INSERT INTO t VALUES (1)")
    sources = [each.get("source") for each in printed(server)]  # a fragment has none
    assert [each.get("source") for each in printed(server, "--since", "1900-01-01")] == sources
    assert sources[-1]["table"] == "t"


@pytest.mark.slow
def test_what_was_trimmed_is_told(tmp_path: Path) -> None:
    data = tmp_path / "data"
    options = ("--snapshot-bytes", "1024", "--snapshot-seconds", "1")
    with ServeProcess(data, *options) as server, psycopg.connect(server.dsn(), autocommit=True) as db:
        db.execute("CREATE TABLE t (id int PRIMARY KEY, v text)")
        with ChangeReader(data, "--since", "now") as reader:
            begun = reader.position()
        number = 0
        while opendsql("journal", "--data", data, "--format", "cdc", "--position", begun).returncode == 0:
            for _ in range(20):
                db.execute("INSERT INTO t VALUES (%s, %s)", (number, "x" * 1000))
                number += 1
        ended = opendsql("journal", "--data", data, "--format", "cdc", "--position", begun)
        assert ended.stderr.startswith(
            f"opendsql: what follows position {begun} is no longer in the journal: "
        )
        oldest = int(ended.stderr.split()[-1])
        last = printed(server, "--position", oldest)
        assert last and last[-1]["after"]["id"] == number - 1
        assert printed(server)[-1]["after"] == last[-1]["after"], "without a position: all that is kept"
        assert server.stop() == 0
    assert printed(server)[-1]["after"] == last[-1]["after"], "also when the server is stopped"
