"""Our codec of the hot messages against pygwire's, in both directions, and against arbitrary bytes."""

import struct
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pygwire import messages as pg

from server.errors import PgError
from server.pgwire import codec

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=20)
FORMATS = st.lists(st.integers(0, 1), max_size=4)
VALUES = st.lists(st.none() | st.binary(max_size=600), max_size=4)
OIDS = st.lists(st.integers(0, 2**32 - 1), max_size=4)
NOISE = st.binary(max_size=8)
INT32 = st.integers(-(2**31), 2**31 - 1)
INT16 = st.integers(-(2**15), 2**15 - 1)


def in_noise(message: pg.PGMessage, before: bytes, after: bytes) -> tuple[bytes, int, int]:
    body = message.encode()
    return before + body + after, len(before), len(before) + len(body)


@given(TEXT, NOISE, NOISE)
def test_query(sql: str, before: bytes, after: bytes) -> None:
    assert codec.read_string(*in_noise(pg.Query(query_string=sql), before, after)) == sql


@given(TEXT, TEXT, OIDS, NOISE, NOISE)
def test_parse(name: str, sql: str, oids: list[int], before: bytes, after: bytes) -> None:
    message = pg.Parse(statement=name, query=sql, param_types=oids)
    assert codec.read_parse(*in_noise(message, before, after)) == (name, sql, tuple(oids))


@given(TEXT, TEXT, VALUES, FORMATS, st.integers(0, 1), NOISE, NOISE)
def test_bind(
    portal: str,
    statement: str,
    values: list[bytes | None],
    results: list[int],
    format: int,
    before: bytes,
    after: bytes,
) -> None:
    for formats in ([], [format], [format] * len(values)):
        message = pg.Bind(portal, statement, formats, values, results)
        read = codec.read_bind(*in_noise(message, before, after))
        assert read[:2] == (portal, statement)
        assert [list(part) for part in read[2:]] == [formats, values, results]


@given(TEXT, st.sampled_from("SP"), NOISE, NOISE)
def test_describe_and_close(name: str, kind: str, before: bytes, after: bytes) -> None:
    for message in (pg.Describe(kind, name), pg.Close(kind, name)):
        target = codec.read_target(*in_noise(message, before, after), "DESCRIBE")
        assert target == (kind == "S", name)


@given(TEXT, INT32, NOISE, NOISE)
def test_execute(portal: str, limit: int, before: bytes, after: bytes) -> None:
    message = pg.Execute(portal, limit % 2**32)
    assert codec.read_execute(*in_noise(message, before, after)) == (portal, max(limit, 0))


READERS: list[Callable[[bytes, int, int], Any]] = [
    codec.read_string,
    codec.read_parse,
    codec.read_bind,
    codec.read_execute,
    lambda buffer, start, stop: codec.read_target(buffer, start, stop, "CLOSE"),
]


@given(st.binary(max_size=64), st.integers(0, 64), st.integers(0, 64), st.sampled_from(READERS))
def test_any_body_is_read_or_refused(
    buffer: bytes, a: int, b: int, read: Callable[[bytes, int, int], Any]
) -> None:
    start, stop = sorted((min(a, len(buffer)), min(b, len(buffer))))
    try:
        read(buffer, start, stop)
    except PgError as error:
        assert error.sqlstate in ("08P01", "22021")
        assert error.severity == "ERROR"


@given(st.sampled_from([pg.Parse("s", "q", [1, 2]), pg.Bind("p", "s", [0], [b"abc", None], [1])]), st.data())
def test_a_shortened_or_lengthened_body_is_refused(message: pg.PGMessage, data: st.DataObject) -> None:
    read = codec.read_parse if isinstance(message, pg.Parse) else codec.read_bind
    body = message.encode()
    stop = data.draw(st.integers(0, len(body) - 1))
    with pytest.raises(PgError, match=r"insufficient data left|invalid string|invalid message format"):
        read(body, 0, stop)
    with pytest.raises(PgError, match="invalid message format"):
        read(body + b"\0", 0, len(body) + 1)


@pytest.mark.parametrize("size", [-2, -(2**31)])
def test_a_negative_value_length_other_than_null_is_refused(size: int) -> None:
    body = struct.pack("!ccHHiH", b"\0", b"\0", 0, 1, size, 0)
    with pytest.raises(PgError, match="insufficient data left in message"):
        codec.read_bind(body, 0, len(body))


@given(VALUES)
def test_data_row(values: list[bytes | None]) -> None:
    assert codec.data_row(values) == pg.DataRow(columns=values).to_wire()


@given(st.lists(st.tuples(TEXT, st.integers(0, 2**32 - 1), INT16, INT32.map(abs), INT16, INT32, INT16)))
def test_row_description(columns: list[tuple[str, int, int, int, int, int, int]]) -> None:
    expected = pg.RowDescription(fields=[pg.FieldDescription(*column) for column in columns]).to_wire()
    assert codec.row_description(codec.Column(*column) for column in columns) == expected


@given(TEXT, TEXT, OIDS, st.binary(max_size=100))
def test_small_messages(text: str, other: str, oids: list[int], data: bytes) -> None:
    assert codec.command_complete(text) == pg.CommandComplete(tag=text).to_wire()
    assert codec.parameter_status(text, other) == pg.ParameterStatus(name=text, value=other).to_wire()
    assert codec.parameter_description(oids) == pg.ParameterDescription(type_oids=oids).to_wire()
    assert codec.copy_data(data) == pg.CopyData(data=data).to_wire()


@given(st.text(), st.none() | st.text(), st.none() | st.integers(1, 10**6))
def test_an_error_of_any_text_is_well_formed(text: str, detail: str | None, position: int | None) -> None:
    error = PgError("22000", text, detail=detail, position=position, fields={"n": "c"})
    wire = memoryview(codec.error_response(error))
    fields = pg.ErrorResponse.decode(wire[5:]).fields
    assert set(fields) - {"D", "P"} == {"S", "V", "C", "M", "n"}
    assert ("D" in fields, "P" in fields) == (detail is not None, position is not None)


def test_constants() -> None:
    assert pg.ParseComplete().to_wire() == codec.PARSE_COMPLETE
    assert pg.BindComplete().to_wire() == codec.BIND_COMPLETE
    assert pg.CloseComplete().to_wire() == codec.CLOSE_COMPLETE
    assert pg.NoData().to_wire() == codec.NO_DATA
    assert pg.PortalSuspended().to_wire() == codec.PORTAL_SUSPENDED
    assert pg.EmptyQueryResponse().to_wire() == codec.EMPTY_QUERY
    assert pg.CopyDone().to_wire() == codec.COPY_DONE
    assert codec.READY[b"T"] == b"Z\0\0\0\5T"


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (b"ab\xff", "0xff"),
        (b"\xc3\x28", "0xc3 0x28"),
        (b"\xe2\x82", "0xe2 0x82"),
        (b"\xed\xa0\x80", "0xed 0xa0 0x80"),
        (b"\xf0\x80\x80\x80x", "0xf0 0x80 0x80 0x80"),
        (b"\x80", "0x80"),
    ],
)
def test_invalid_utf8_has_postgres_text(raw: bytes, shown: str) -> None:
    with pytest.raises(PgError) as caught:
        codec.read_string(raw + b"\0", 0, len(raw) + 1)
    assert caught.value.sqlstate == "22021"
    assert caught.value.message == f'invalid byte sequence for encoding "UTF8": {shown}'
