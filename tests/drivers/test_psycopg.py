"""psycopg 3 against a real server: text and binary, pipelines, COPY, notices, errors, cancellation; psql scripts."""

import subprocess
import threading
from typing import Any

import psycopg
import pytest
from psycopg import errors

from tests.server import Server

pytestmark = pytest.mark.slow


def test_text_and_binary(server: Server) -> None:
    with server.connect() as connection:
        connection.execute(
            "CREATE TABLE both_ways (id int PRIMARY KEY, v text, n numeric, at timestamptz, b bytea)"
        )
        row = (1, "é", 1.5, "2024-01-01 00:00:00+00", b"\0\xff")
        for binary in (False, True):
            with connection.cursor(binary=binary) as cursor:
                cursor.execute("DELETE FROM both_ways")
                cursor.execute("INSERT INTO both_ways VALUES (%s, %s, %s, %s, %s)", row)
                cursor.execute("SELECT id, v, n::float8, b, at = '2024-01-01 00:00+00' FROM both_ways")
                assert cursor.fetchone() == (1, "é", 1.5, b"\0\xff", True)
                assert cursor.description is not None
                assert [column.name for column in cursor.description] == ["id", "v", "n", "b", "?column?"]


def test_prepared_automatically(server: Server) -> None:
    with server.connect(prepare_threshold=1) as connection:
        connection.execute("CREATE TABLE auto (id int PRIMARY KEY, v text)")
        for number in range(20):
            connection.execute("INSERT INTO auto VALUES (%s, %s)", (number, str(number)))
        for number in range(20):
            assert connection.execute("SELECT v FROM auto WHERE id = %s", (number,)).fetchone() == (
                str(number),
            )
        connection.execute("ALTER TABLE auto ADD COLUMN w int")
        assert connection.execute("SELECT v FROM auto WHERE id = %s", (3,)).fetchone() == ("3",)


def test_pipeline(server: Server) -> None:
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        connection.execute("CREATE TABLE piped (id int PRIMARY KEY)")
        with connection.pipeline():
            cursors = [
                connection.execute("INSERT INTO piped VALUES (%s) RETURNING id", (n,)) for n in range(50)
            ]
            assert [cursor.fetchone() for cursor in cursors] == [(n,) for n in range(50)]
        with pytest.raises(errors.UniqueViolation), connection.pipeline():
            connection.execute("INSERT INTO piped VALUES (100)")
            connection.execute("INSERT INTO piped VALUES (1)")
            connection.execute("INSERT INTO piped VALUES (101)")
        assert connection.execute("SELECT count(*) FROM piped WHERE id >= 100").fetchone() == (0,)


def test_transactions_and_conflicts(server: Server) -> None:
    with psycopg.connect(server.dsn) as one, psycopg.connect(server.dsn) as two:
        one.execute("CREATE TABLE fought (id int PRIMARY KEY, v int)")
        one.commit()
        one.execute("INSERT INTO fought VALUES (1, 0)")
        one.commit()
        one.execute("UPDATE fought SET v = 1")
        two.execute("UPDATE fought SET v = 2")
        two.commit()
        with pytest.raises(errors.SerializationFailure) as failed:
            one.commit()
        assert "OC000" in str(failed.value)
        assert one.execute("SELECT v FROM fought").fetchone() == (2,)


def test_copy(server: Server) -> None:
    with server.connect() as connection:
        connection.execute("CREATE TABLE poured (id int PRIMARY KEY, v text)")
        with connection.cursor() as cursor, cursor.copy("COPY poured FROM STDIN") as copy:
            for number in range(1000):
                copy.write_row((number, None if number % 10 == 0 else f"v\t{number}"))
        assert connection.execute("SELECT count(*), count(v) FROM poured").fetchone() == (1000, 900)
        with connection.cursor() as cursor, cursor.copy("COPY poured TO STDOUT") as copy:
            rows = list(copy.rows())
        assert len(rows) == 1000 and rows[0] == ("0", None) and rows[1] == ("1", "v\t1")
        with (
            pytest.raises(ZeroDivisionError),
            connection.cursor() as cursor,
            cursor.copy("COPY poured FROM STDIN") as copy,
        ):
            copy.write("5000\tx\n")
            raise ZeroDivisionError
        assert connection.execute("SELECT count(*) FROM poured").fetchone() == (1000,)


@pytest.mark.parametrize(
    ("options", "data", "where"),
    [
        ("", "1\t1\n2\t1\n1\t1\n", "COPY lined, line 3"),
        ("", "1\t1\n2\t\\N\n", 'COPY lined, line 2: "2\t\\N"'),
        ("", "1\t1\n2\t-1\n", 'COPY lined, line 2: "2\t-1"'),
        ("", "1\t1\n2\tx\n", 'COPY lined, line 2, column v: "x"'),
        ("(FORMAT csv, HEADER)", "id,v\n1,1\n1,2\n", "COPY lined, line 3"),
        ("(FORMAT csv, HEADER match)", "id,w\n", 'COPY lined, line 1: "id,w"'),
    ],
)
def test_errors_of_copy_tell_the_line(server: Server, options: str, data: str, where: str) -> None:
    with server.connect() as connection:
        connection.execute(
            "CREATE TABLE IF NOT EXISTS lined (id int PRIMARY KEY, v int NOT NULL CHECK (v > 0))"
        )
        with (
            pytest.raises(errors.Error) as caught,
            connection.cursor() as cursor,
            cursor.copy(f"COPY lined FROM STDIN {options}") as copy,
        ):
            copy.write(data)
        assert caught.value.diag.context == where


def test_notices_and_diagnostics(server: Server) -> None:
    with server.connect() as connection:
        seen: list[Any] = []
        connection.add_notice_handler(lambda notice: seen.append((notice.severity, notice.message_primary)))
        connection.execute("DROP TABLE IF EXISTS not_there")
        connection.execute("ROLLBACK")
        assert seen == [
            ("NOTICE", 'table "not_there" does not exist, skipping'),
            ("WARNING", "there is no transaction in progress"),
        ]
        with pytest.raises(errors.UndefinedColumn) as failed:
            connection.execute("SELECT 1, nope")
        assert failed.value.diag.statement_position == "11"
        assert failed.value.diag.message_primary == 'column "nope" does not exist'


def test_a_foreign_keys_error_has_its_schemas_name_of_today(server: Server) -> None:
    with server.connect() as connection:
        connection.execute("CREATE SCHEMA named")
        connection.execute("CREATE TABLE named.parent (id int PRIMARY KEY)")
        connection.execute(
            "CREATE TABLE named.child (id int PRIMARY KEY, parent int REFERENCES named.parent)"
        )
        connection.execute("INSERT INTO named.parent VALUES (1)")
        connection.execute("INSERT INTO named.child VALUES (1, 1)")
        for schema in ("named", "renamed"):
            if schema != "named":
                connection.execute(f"ALTER SCHEMA named RENAME TO {schema}")
            for statement in (f"INSERT INTO {schema}.child VALUES (2, 2)", f"DELETE FROM {schema}.parent"):
                with pytest.raises(errors.ForeignKeyViolation) as failed:
                    connection.execute(statement)
                assert failed.value.diag.schema_name == schema


def test_cancel(server: Server) -> None:
    with server.connect() as connection:
        timer = threading.Timer(0.2, connection.cancel)
        timer.start()
        with pytest.raises(errors.QueryCanceled, match="canceling statement due to user request"):
            connection.execute("SELECT count(*) FROM generate_series(1, 1000000000)")
        timer.join()
        assert connection.execute("SELECT 1").fetchone() == (1,)


SCRIPT = """\\set ON_ERROR_STOP 0
CREATE TABLE scripted (id int PRIMARY KEY, v text);
\\copy scripted FROM STDIN
1\tone
2\ttwo
\\.
BEGIN;
UPDATE scripted SET v = upper(v);
SELECT * FROM scripted ORDER BY id;
SELECT 1/0;
SELECT 1;
COMMIT;
SELECT v FROM scripted WHERE id = 1 \\gset
\\echo :v
INSERT INTO scripted VALUES (3, 'three') RETURNING id;
\\copy (SELECT v FROM scripted ORDER BY id) TO STDOUT
SELECT count(*) FROM scripted; SELECT 'second';
"""

ANSWER = """CREATE TABLE
COPY 2
BEGIN
UPDATE 2
1|ONE
2|TWO
ROLLBACK
one
3
INSERT 0 1
one
two
three
3
second
"""


def test_psql_script(server: Server) -> None:
    command = ["psql", "-X", "-At", "-d", server.dsn, "-f", "-"]
    done = subprocess.run(command, input=SCRIPT, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == ANSWER
    assert [line.split("ERROR:  ")[1] for line in done.stderr.splitlines() if "ERROR" in line] == [
        "division by zero",
        "current transaction is aborted, commands ignored until end of transaction block",
    ]
