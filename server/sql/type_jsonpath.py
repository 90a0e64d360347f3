"""jsonpath: input and output (PostgreSQL, chapter 8.14.7)."""

from server.errors import PgError
from server.sql.env import Env
from server.sql.jsonpath import tree
from server.sql.jsonpath.parse import parse
from server.sql.jsonpath.tree import JsonPath
from server.sql.type_io import Io
from server.sql.type_text import decode

VERSION = 1
"""The first byte of the binary form; the text follows."""


def jsonpath_in(text: str, typmod: int, env: Env) -> JsonPath:
    """The path of a text; the errors of `parse`."""
    return parse(text)


def jsonpath_out(path: JsonPath, env: Env) -> str:
    """The canonical text; 54001."""
    try:
        return tree.render(path)
    except RecursionError:
        raise PgError("54001", "stack depth limit exceeded") from None


def _recv(data: bytes, typmod: int, env: Env) -> JsonPath:
    if not data:
        raise PgError("08P01", "insufficient data left in message")
    if data[0] != VERSION:
        raise PgError("XX000", f"unsupported jsonpath version number: {data[0]}")
    return parse(decode(data[1:]))


def _send(path: JsonPath, env: Env) -> bytes:
    return bytes((VERSION,)) + jsonpath_out(path, env).encode()


JSONPATHS: dict[str, Io] = {
    "jsonpath": Io(
        jsonpath_in, jsonpath_out, _recv, _send, None, None, lambda path: jsonpath_out(path, Env()), parse
    )
}
