"""COPY's formats: however the bytes are cut the rows are the same, and they are PostgreSQL's in both directions."""

import psycopg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from server.errors import PgError
from server.sql.copy_format import (
    MAX_LINE,
    CsvReader,
    Options,
    TextReader,
    csv_writer,
    read_options,
    text_writer,
)

TEXTS = st.lists(
    st.sampled_from(["a", "é", "\\", "\\N", "\\x41", "\\101", "\\t", "\\\n", "\t", "\n", "|", "\\|"])
).map("".join)
CSVS = st.lists(st.sampled_from(["a", '"', '""', "'", "\\", ",", ",", "\n", "é", "\\N", " "])).map("".join)
TEXT_OPTIONS = [{}, {"delimiter": "|"}, {"null": "a"}, {"null": ""}]
CSV_OPTIONS = [
    {},
    {"null": "a"},
    {"quote": "'"},
    {"escape": "\\"},
    {"quote": "'", "escape": "\\", "null": "\\N"},
]
VALUES = st.lists(
    st.one_of(st.none(), st.text(st.sampled_from("ab\\N.,|\"'\t\n\r\b\f\v\x01 é"), max_size=6)),
    min_size=1,
    max_size=3,
)


def options_of(given: dict[str, str], form: str) -> Options:
    return read_options([("format", form), *given.items()], True)


def sql_of(given: dict[str, str], form: str) -> str:
    quoted = [
        f"{name} E'{value}'".replace("\\", "\\\\").replace("'''", "''''") for name, value in given.items()
    ]
    return ", ".join([f"FORMAT {form}", *quoted])


def read(reader: TextReader | CsvReader, chunks: list[bytes]) -> list[list[str | None]] | str:
    """All rows, or the error's SQLSTATE; rows of two columns."""
    rows = []
    try:
        for chunk in [*chunks, b""]:
            for line in reader.feed(chunk, chunk == b""):
                fields = reader.fields(line)
                if len(fields) != 2:
                    return "22P04"
                rows.append(fields)
    except PgError as error:
        return error.sqlstate
    return rows


def cut(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({min(place, len(data)) for place in cuts} - {0})
    return [part for lo, hi in zip([0, *places], [*places, len(data)]) if (part := data[lo:hi])]


def reader_of(form: str, options: Options) -> TextReader | CsvReader:
    return CsvReader(options) if form == "csv" else TextReader(options)


@given(st.one_of(TEXTS, CSVS), st.lists(st.integers(0, 40)), st.sampled_from(["text", "csv"]), st.booleans())
@settings(deadline=None)
@example("a\\\nb\tc\n", [3], "text", False)
@example('"a\nb",c\n', [3, 4], "csv", False)
def test_cuts_do_not_matter(text, cuts, form, is_other):
    given = {"escape": "\\"} if is_other and form == "csv" else {}
    data = text.encode()
    whole = read(reader_of(form, options_of(given, form)), [data])
    assert read(reader_of(form, options_of(given, form)), cut(data, cuts)) == whole


@pytest.mark.parametrize("form", ["text", "csv"])
def test_a_line_without_an_end_is_refused(form):
    reader = reader_of(form, options_of({}, form))
    chunk = b'"' + b"x" * (1 << 20)
    with pytest.raises(PgError, match="maximum row size exceeded"):
        for _ in range(MAX_LINE >> 19):
            reader.feed(chunk)


def test_a_quoted_field_of_many_lines_is_read_once():
    """Each line is looked at once: a quadratic reader would not come back."""
    reader = CsvReader(options_of({}, "csv"))
    assert reader.feed(b'"' + b"\n" * (1 << 19)) == []
    (record,) = reader.feed(b'"\n')
    assert reader.fields(record) == ["\n" * (1 << 19)]


@pytest.fixture(scope="module")
def connection(postgres):
    with postgres.connect() as made:
        made.execute("CREATE TEMP TABLE copied (a text, b text)")
        yield made


def copied(connection: "psycopg.Connection", options: str, data: bytes) -> list[list[str | None]] | str:
    """What PostgreSQL reads."""
    connection.execute("TRUNCATE copied")
    try:
        with connection.cursor().copy(f"COPY copied FROM STDIN ({options})") as copy:
            copy.write(data)
    except psycopg.Error as error:
        return error.sqlstate or "none"
    return [list(row) for row in connection.execute("SELECT a, b FROM copied ORDER BY ctid").fetchall()]


def compare(connection, form: str, given: dict[str, str], text: str) -> None:
    theirs = copied(connection, sql_of(given, form), text.encode())
    ours = read(reader_of(form, options_of(given, form)), [text.encode()])
    assert ours == theirs


COMPARED = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.mark.slow
@given(st.lists(TEXTS, min_size=1, max_size=3), st.sampled_from(TEXT_OPTIONS))
@COMPARED
def test_text_is_read_as_postgresql_does(connection, fields, given):
    compare(connection, "text", given, given.get("delimiter", "\t").join(fields) + "\n")


@pytest.mark.slow
@given(st.lists(CSVS, min_size=1, max_size=3), st.sampled_from(CSV_OPTIONS), st.sampled_from(["\n", "\r\n"]))
@COMPARED
def test_csv_is_read_as_postgresql_does(connection, fields, given, end):
    compare(connection, "csv", given, (",".join(fields) + "\n").replace("\n", end))


@pytest.mark.slow
@given(VALUES, st.sampled_from(["text", "csv"]), st.data())
@COMPARED
def test_rows_are_written_as_postgresql_does(connection, row, form, data):
    given = data.draw(st.sampled_from(CSV_OPTIONS if form == "csv" else [*TEXT_OPTIONS, {"delimiter": "\v"}]))
    columns = [f"c{place}" for place in range(len(row))]
    options = options_of(given, form)
    write = csv_writer(options, columns) if form == "csv" else text_writer(options)
    values = ", ".join("%s::text" for _ in row)
    query = psycopg.ClientCursor(connection).mogrify(f"SELECT {values}", row)
    with connection.cursor().copy(f"COPY ({query}) TO STDOUT ({sql_of(given, form)})") as copy:
        theirs = b"".join(bytes(block) for block in copy)
    assert write(row).encode() == theirs
    if len(row) == 2 and options.null not in row and "\r" not in "".join(filter(None, row)):
        assert read(reader_of(form, options), [theirs]) == [row]
