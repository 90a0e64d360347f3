"""opendsql.as_of over TCP: what was seen at moments of a random history is seen again, in every kind of process."""

import random
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, LiteralString, NamedTuple

import psycopg
import pytest

from tests.server import empty
from tests.serving_process import ServeProcess

Connection = psycopg.Connection[Any]
KINDS = {"one process": (), "workers": ("--workers", "1"), "router": ("--router", "--suspend-seconds", "0")}


@pytest.fixture(scope="module", params=KINDS, ids=lambda name: name.replace(" ", "-"))
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServeProcess]:
    with ServeProcess(tmp_path_factory.mktemp("as_of") / "data", *KINDS[request.param]) as running:
        yield running
        assert running.stop() == 0
        assert running.stderr == ""


@pytest.fixture
def db(server: ServeProcess) -> Iterator[Connection]:
    with psycopg.connect(server.dsn(), autocommit=True, prepare_threshold=None) as connection:
        yield connection
    empty(server.dsn())


class Seen(NamedTuple):
    """The tables, their columns and rows, as they were at a moment."""

    moment: Any
    tables: dict[str, tuple[list[str], list[tuple[Any, ...]]]]


def tables_of(db: Connection) -> dict[str, tuple[list[str], list[tuple[Any, ...]]]]:
    """Within one transaction."""
    found = {}
    names = db.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1").fetchall()
    for (name,) in names:
        cursor = db.execute(f"SELECT * FROM {name} ORDER BY id")
        assert cursor.description is not None
        found[name] = [column.name for column in cursor.description], cursor.fetchall()
    return found


def now(db: Connection) -> Seen:
    db.execute("BEGIN READ ONLY")
    tables = tables_of(db)
    db.execute("COMMIT")
    (moment,) = db.execute("SELECT clock_timestamp()").fetchone() or ()
    return Seen(moment, tables)


def then(db: Connection, moment: Any) -> dict[str, tuple[list[str], list[tuple[Any, ...]]]]:
    db.execute("BEGIN READ ONLY")
    assert db.execute("SELECT opendsql.as_of(%s)", (moment,)).fetchone() == (moment,)
    tables = tables_of(db)
    db.execute("COMMIT")
    return tables


def change(db: Connection, dice: random.Random, made: list[str]) -> None:
    """One transaction, or one DDL."""
    choice = dice.random()
    if choice < 0.15 or not made:
        name = f"t{dice.randrange(1000)}"
        if name not in made:
            db.execute(f"CREATE TABLE {name} (id int PRIMARY KEY, value int)")
            made.append(name)
    elif choice < 0.25:
        db.execute(f"DROP TABLE {made.pop(dice.randrange(len(made)))}")
    elif choice < 0.35:
        db.execute(f"ALTER TABLE {dice.choice(made)} ADD COLUMN c{dice.randrange(1 << 30)} text")
    else:
        with db.transaction():
            for _ in range(dice.randrange(1, 5)):
                name, key = dice.choice(made), dice.randrange(6)
                db.execute(f"DELETE FROM {name} WHERE id = %s", (key,))
                if dice.random() < 0.7:
                    row = key, dice.randrange(100)
                    db.execute(f"INSERT INTO {name} (id, value) VALUES (%s, %s)", row)


@pytest.mark.parametrize("seed", range(3))
def test_a_random_history_is_read_again(server: ServeProcess, db: Connection, seed: int) -> None:
    dice = random.Random(seed)
    made: list[str] = []
    seen = []
    for _ in range(40):
        change(db, dice, made)
        if dice.random() < 0.6:
            seen.append(now(db))
    dice.shuffle(seen)
    with psycopg.connect(server.dsn(), autocommit=True, prepare_threshold=None) as other:
        for each in seen:
            assert then(dice.choice((db, other)), each.moment) == each.tables
    assert now(db).tables == tables_of(db)


def test_snapshots_among_writers_are_read_again(server: ServeProcess, db: Connection) -> None:
    """What a transaction reads under load is what its start_time shows later."""
    db.execute("CREATE TABLE t (id int PRIMARY KEY, value int)")
    stop = threading.Event()

    def write(number: int) -> None:
        with psycopg.connect(server.dsn(), autocommit=True) as own:
            value = 0
            while not stop.is_set():
                own.execute("INSERT INTO t VALUES (%s, %s)", (number * 1000 + value % 50, value))
                own.execute("DELETE FROM t WHERE id = %s", (number * 1000 + (value - 20) % 50,))
                value += 1

    writers = [threading.Thread(target=write, args=(number,)) for number in range(3)]
    for each in writers:
        each.start()
    seen: list[Seen] = []
    try:
        while len({each.moment for each in seen}) < 12:
            db.execute("BEGIN READ ONLY")
            query = "SELECT start_time FROM opendsql.transactions WHERE pid = pg_backend_pid()"
            (moment,) = db.execute(query).fetchone() or ()
            seen.append(Seen(moment, tables_of(db)))
            db.execute("COMMIT")
    finally:
        stop.set()
        for each in writers:
            each.join()
    for each in seen:
        assert then(db, each.moment) == each.tables


def test_what_is_told_of_times_that_cannot_be_read(db: Connection) -> None:
    db.execute("SET TimeZone = 'UTC'")
    for moment, sqlstate, message, detail in (
        ("now() + interval '1 second'", "22023", "cannot read as of ", "The transaction began at "),
        ("'infinity'", "22023", "cannot read as of infinity, which is in the future", "The transaction"),
        (
            "now() - interval '301 seconds'",
            "72000",
            "snapshot too old",
            "The earliest time that can be read is ",
        ),
        ("'-infinity'", "72000", "snapshot too old", "The earliest time that can be read is "),
    ):
        db.execute("BEGIN READ ONLY")
        with pytest.raises(psycopg.Error) as raised:
            db.execute(f"SELECT opendsql.as_of({moment})")
        db.execute("ROLLBACK")
        assert raised.value.sqlstate == sqlstate
        assert (raised.value.diag.message_primary or "").startswith(message)
        assert (raised.value.diag.message_detail or "").startswith(detail)


def test_the_earliest_time_that_is_told_can_be_read(db: Connection) -> None:
    db.execute("BEGIN READ ONLY")
    with pytest.raises(psycopg.Error) as raised:
        db.execute("SELECT opendsql.as_of('-infinity')")
    db.execute("ROLLBACK")
    earliest = (raised.value.diag.message_detail or "").removeprefix("The earliest time that can be read is ")
    # By the clock it moves on: a server whose history is as young as its cluster has another end.
    db.execute("BEGIN READ ONLY")
    with pytest.raises(psycopg.Error, match="snapshot too old"):
        db.execute("SELECT opendsql.as_of(%s::timestamptz - interval '1 s')", (earliest.removesuffix("."),))
    db.execute("ROLLBACK")


def test_a_role_needs_the_privileges_of_then_and_of_now(server: ServeProcess, db: Connection) -> None:
    db.execute("CREATE TABLE t (id int PRIMARY KEY)")
    db.execute("CREATE TABLE gone (id int PRIMARY KEY)")
    db.execute("CREATE ROLE reader LOGIN")
    before = now(db).moment
    db.execute("GRANT SELECT ON t, gone TO reader")
    granted = now(db).moment
    with psycopg.connect(server.dsn("reader"), autocommit=True) as reader:
        assert read(reader, granted, "t") is None
        assert read(reader, before, "t") == "42501"
        db.execute("REVOKE SELECT ON t FROM reader")
        assert read(reader, granted, "t") == "42501"
        assert read(reader, granted, "gone") is None
        db.execute("DROP TABLE gone")
        assert read(reader, granted, "gone") == "42501", "nobody knows whether it was revoked before"
    assert read(db, granted, "gone") is None
    db.execute("DROP ROLE reader")


def test_a_table_that_is_gone_is_read_by_who_has_its_owners_rights(
    server: ServeProcess, db: Connection
) -> None:
    for role in ("owner", "friend"):
        alter(db, f"CREATE ROLE {role} LOGIN")
    alter(db, "GRANT owner TO friend")
    alter(db, "GRANT owner TO admin")
    alter(db, "CREATE SCHEMA own AUTHORIZATION owner")
    alter(db, "CREATE TABLE own.gone (id int PRIMARY KEY)")
    alter(db, "ALTER TABLE own.gone OWNER TO owner")
    owned = now(db).moment
    alter(db, "DROP TABLE own.gone")
    with (
        psycopg.connect(server.dsn("owner"), autocommit=True) as owner,
        psycopg.connect(server.dsn("friend"), autocommit=True) as friend,
    ):
        assert read(owner, owned, "own.gone") is None
        assert read(friend, owned, "own.gone") is None
    alter(db, "REVOKE owner FROM friend")
    with psycopg.connect(server.dsn("friend"), autocommit=True) as friend:
        assert read(friend, owned, "own.gone") == "42501"
    alter(db, "DROP SCHEMA own")
    for role in ("friend", "owner"):
        alter(db, f"DROP ROLE {role}")


def test_a_role_is_who_has_the_name_now(server: ServeProcess, db: Connection) -> None:
    alter(db, "CREATE TABLE t (id int PRIMARY KEY)")
    alter(db, "CREATE ROLE reader LOGIN")
    alter(db, "GRANT SELECT ON t TO reader")
    granted = now(db).moment
    alter(db, "REVOKE SELECT ON t FROM reader")
    alter(db, "DROP ROLE reader")
    alter(db, "CREATE ROLE reader LOGIN")
    alter(db, "GRANT SELECT ON t TO reader")
    with psycopg.connect(server.dsn("reader"), autocommit=True) as reader:
        assert read(reader, granted, "t") == "42501", "another one had it then"
        again = now(db).moment
        assert read(reader, again, "t") is None
    alter(db, "REVOKE SELECT ON t FROM reader")
    alter(db, "DROP ROLE reader")


def test_a_role_that_was_renamed_keeps_its_rights(server: ServeProcess, db: Connection) -> None:
    alter(db, "CREATE SCHEMA shown")
    alter(db, "CREATE TABLE shown.t (id int PRIMARY KEY)")
    alter(db, "CREATE ROLE reader LOGIN")
    alter(db, "GRANT USAGE ON SCHEMA shown TO reader")
    alter(db, "GRANT SELECT ON shown.t TO reader")
    granted = now(db).moment
    alter(db, "ALTER ROLE reader RENAME TO looker")
    with psycopg.connect(server.dsn("looker"), autocommit=True) as looker:
        assert read(looker, granted, "shown.t") is None
    alter(db, "DROP TABLE shown.t")
    alter(db, "DROP SCHEMA shown")
    alter(db, "DROP ROLE looker")


def alter(db: Connection, statement: LiteralString) -> None:
    """One DDL statement, again as long as another one (a job's, say) gets in between."""
    while True:
        try:
            db.execute(statement)
            return
        except psycopg.errors.SerializationFailure:
            continue


def read(reader: Connection, moment: Any, table: str) -> str | None:
    """The SQLSTATE of reading a table as of then."""
    reader.execute("BEGIN READ ONLY")
    reader.execute("SELECT opendsql.as_of(%s)", (moment,))
    try:
        reader.execute(f"SELECT * FROM {table}")
        return None
    except psycopg.Error as error:
        return error.sqlstate
    finally:
        reader.execute("ROLLBACK")


def test_what_was_bound_before_does_not_survive(db: Connection) -> None:
    """A portal means the tables of the present."""
    db.execute("CREATE TABLE t (id int PRIMARY KEY)")
    before = now(db).moment
    db.execute("ALTER TABLE t ADD COLUMN value int")
    with db.pipeline():
        db.execute("BEGIN READ ONLY")
        asked = db.execute("SELECT opendsql.as_of(%s)", (before,))
        rows = db.execute("SELECT * FROM t")
        db.execute("COMMIT")
    assert asked.fetchone() == (before,)
    assert [column.name for column in rows.description or ()] == ["id"]


def test_history_is_as_long_as_it_is_said_to_be(tmp_path: Path) -> None:
    with ServeProcess(tmp_path / "data", "--limit", "history_s=0") as running:
        with psycopg.connect(running.dsn(), autocommit=True) as db:
            db.execute("CREATE TABLE t (id int PRIMARY KEY)")
            moment = now(db).moment
            db.execute("BEGIN READ ONLY")
            with pytest.raises(psycopg.Error, match="snapshot too old"):
                db.execute("SELECT opendsql.as_of(%s)", (moment,))
        assert running.stop() == 0
