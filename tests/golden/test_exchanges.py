"""Random exchanges of the wire protocol, message by message as PostgreSQL answers them (chapter 55.2).

Pipelines of Parse, Bind, Describe, Execute and Close, and queries of several statements, in and out of blocks that
are open, read only or aborted. Compared are kinds of messages, columns, rows, tags, errors and status.
"""

import random
import socket
import struct
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import pytest

from tests.postgres import Postgres
from tests.server import Server

EXCHANGES = 40
TABLES = (
    "CREATE TABLE t (id int PRIMARY KEY, v int)",
    "CREATE TABLE c (id int PRIMARY KEY, t int REFERENCES t)",
)
EMPTIED = (
    "ROLLBACK",
    "DEALLOCATE ALL",
    "RESET ALL",
    "DELETE FROM c",
    "DELETE FROM t",
    "INSERT INTO t VALUES (5, 5)",
)
PLAIN = (
    "SELECT 1", "SELECT id, v FROM t ORDER BY id", "INSERT INTO t VALUES (1, 1)", "TABLE t LIMIT 0",
    "INSERT INTO t VALUES (2, 2) RETURNING id, v", "UPDATE t SET v = v + 1 WHERE id < 3", "DELETE FROM c",
    "DELETE FROM t WHERE id = 1", "SELECT 1 / (v - v) FROM t WHERE id = 5", "SELECT generate_series(1, 5) g",
    "BEGIN", "BEGIN READ ONLY", "BEGIN READ WRITE", "START TRANSACTION", "COMMIT", "END", "ROLLBACK", "ABORT",
    "SET LOCAL application_name = 'x'", "SET application_name = 'y'", "RESET application_name", "SELEC 1", "",
    "SELECT * FROM nowhere", "INSERT INTO t SELECT g, g FROM generate_series(1, 9) g RETURNING id",
    "SET CONSTRAINTS ALL IMMEDIATE", "SELECT current_setting('application_name')",
    "SELECT set_config('application_name', 'z', true)", "SELECT set_config('application_name', 'w', false)",
    "COPY (SELECT * FROM t ORDER BY id) TO STDOUT", "INSERT INTO t VALUES (3, NULL)", "DEALLOCATE ALL",
    "INSERT INTO c VALUES (1, 5)", "INSERT INTO c VALUES (2, 77)", "SELECT count(*) FROM c",
)  # fmt: skip
WITH_PARAMETERS = (
    ("SELECT $1::int + 1", 1), ("INSERT INTO t VALUES ($1, $2)", 2), ("UPDATE t SET v = $1 WHERE id = $2", 2),
    ("SELECT v FROM t WHERE id = $1", 1), ("SELECT g FROM generate_series(1, $1::int) g", 1), ("SELECT $1", 1),
    ("DELETE FROM t WHERE id = $1 RETURNING v", 1),
)  # fmt: skip
NAMES, PORTALS, VALUES = ("", "", "s1", "s2"), ("", "", "p1"), (b"1", b"2", b"5", b"x", b"7", b"", None)


def message(kind: str, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return kind.encode() + struct.pack(">I", len(body) + 4) + body


def text(value: str) -> bytes:
    return value.encode() + b"\0"


def shorts(*values: int) -> bytes:
    return struct.pack(f">{len(values) + 1}H", len(values), *values)


def value(raw: bytes | None) -> bytes:
    return struct.pack(">i", -1) if raw is None else struct.pack(">I", len(raw)) + raw


SYNC = message("S")


class Exchange(NamedTuple):
    """What is sent at once, in words too, and how many ReadyForQuery answer it."""

    sent: list[tuple[str, bytes]]
    ready: int


def exchange(dice: random.Random) -> Exchange:
    sent: list[tuple[str, bytes]] = []
    ready = 1
    for _ in range(dice.randint(1, 9)):
        chance = dice.random()
        if chance < 0.3:
            query = "; ".join(dice.choice(PLAIN) for _ in range(dice.choice((1, 1, 1, 2, 3))))
            sent += [("Sync", SYNC), (f"Query {query}", message("Q", text(query)))]
            ready += 2
        elif chance < 0.8:
            sent += statement(dice)
        elif chance < 0.9:
            kind, name = dice.choice(("Ss1", "Ss2", "S", "Pp1")), dice.choice("DC")
            sent.append((f"{name} {kind}", message(name, text(kind))))
        else:
            sent.append(("Sync", SYNC))
            ready += 1
    return Exchange([*sent, ("Sync", SYNC)], ready)


def statement(dice: random.Random) -> Iterator[tuple[str, bytes]]:
    """Parse, Bind, perhaps Describe, and Execute, perhaps in two parts."""
    query, count = dice.choice(WITH_PARAMETERS) if dice.random() < 0.4 else (dice.choice(PLAIN), 0)
    # A pipeline is no block for SET LOCAL and SET CONSTRAINTS; some minor releases of PostgreSQL saw that otherwise.
    query = "SELECT 2" if query.startswith(("SET LOCAL", "SET CONSTRAINTS")) else query
    values = [dice.choice(VALUES) for _ in range(count + (dice.random() < 0.03))]
    name, portal, limit = dice.choice(NAMES), dice.choice(PORTALS), dice.choice((0, 0, 0, 1, 2))
    yield f"Parse {name} {query}", message("P", text(name), text(query), shorts())
    if dice.random() < 0.1:
        yield f"Describe {name}", message("D", b"S", text(name))
    bound = b"".join(map(value, values))
    head = text(portal) + text(name) + shorts()
    formats = shorts(*dice.choice(((), (), (1,), (0,))))
    yield (
        f"Bind {portal} {name} {values}",
        message("B", head, struct.pack(">H", len(values)), bound, formats),
    )
    if dice.random() < 0.4:
        yield f"Describe portal {portal}", message("D", b"P", text(portal))
    for rows in (limit, 0)[: dice.choice((0, 1, 1, 1, 1, 1, 2))]:
        yield f"Execute {portal} {rows}", message("E", text(portal), struct.pack(">I", rows))


class Client:
    """A connection without a driver."""

    def __init__(self, port: int, user: str) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.stream = self.socket.makefile("rb")
        settings = {"user": user, "database": "postgres", "application_name": "probe"}
        body = b"".join(text(name) + text(each) for name, each in settings.items()) + b"\0"
        self.socket.sendall(struct.pack(">II", len(body) + 8, 196608) + body)
        self.answers(1)

    def simple(self, query: str) -> list[tuple[str, ...]]:
        self.socket.sendall(message("Q", text(query)))
        return self.answers(1)

    def send(self, what: Exchange) -> list[tuple[str, ...]]:
        self.socket.sendall(b"".join(data for _words, data in what.sent))
        return self.answers(what.ready)

    def answers(self, ready: int) -> list[tuple[str, ...]]:
        """All up to that many ReadyForQuery, but for settings that have changed."""
        found = []
        while ready:
            kind = self.stream.read(1).decode()
            (size,) = struct.unpack(">I", self.stream.read(4))
            body = self.stream.read(size - 4)
            ready -= kind == "Z"
            if kind != "S":
                found.append(shown(kind, body))
        return found

    def close(self) -> None:
        self.stream.close()
        self.socket.close()


def shown(kind: str, body: bytes) -> tuple[str, ...]:
    if kind in "EN":
        fields = {part[:1]: part[1:].decode() for part in body.split(b"\0") if part}
        return kind, fields[b"S"], fields[b"C"], fields[b"M"]
    if kind == "T":  # without the table's oid
        columns = []
        rest = body[2:]
        while rest:
            name, _, rest = rest.partition(b"\0")
            columns.append(f"{name.decode()} {rest[4:18].hex()}")
            rest = rest[18:]
        return kind, *columns
    return kind, body.hex()


@pytest.fixture(scope="module")
def clients(server: Server, postgres: Postgres) -> Iterator[Sequence[Client]]:
    ours, theirs = Client(server.port, "admin"), Client(postgres.port, postgres.user)
    theirs.simple("SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    for table in TABLES:
        assert ours.simple(table) == theirs.simple(table)
    yield ours, theirs
    ours.close()
    theirs.close()


@pytest.mark.parametrize("part", range(4))
def test_exchanges(clients: Sequence[Client], part: int) -> None:
    for seed in range(part * EXCHANGES, (part + 1) * EXCHANGES):
        dice = random.Random(seed)
        for client in clients:
            for query in EMPTIED:
                client.simple(query)
        for _ in range(dice.randint(1, 4)):
            said = exchange(dice)
            ours, theirs = (client.send(said) for client in clients)
            assert ours == theirs, [seed, *(words for words, _data in said.sent)]


LEFT_OVER = (
    ("int4", b"12345"), ("timestamptz", bytes(9)), ("uuid", bytes(17)), ("numeric", bytes(10)), ("bool", b"12"),
    ("int4[]", struct.pack(">5iI4xx", 1, 0, 23, 1, 1, 5)), ("int4[]", bytes(8) + struct.pack(">ix", 23)),
    ("t", struct.pack(">iIi5sIi", 2, 23, 5, b"12345", 23, -1)), ("t", struct.pack(">iIiIix", 2, 23, -1, 23, -1)),
)  # fmt: skip
"""Binary forms that are longer than their values."""


@pytest.mark.parametrize(("kind", "raw"), LEFT_OVER, ids=lambda each: str(each)[:20])
def test_bytes_left_over(clients: Sequence[Client], kind: str, raw: bytes) -> None:
    parts = [
        message("P", text(""), text(f"SELECT 1, ($1::int, $2::{kind})"), shorts()),
        message(
            "B", text(""), text(""), shorts(1), struct.pack(">H", 2), value(b"1234"), value(raw), shorts()
        ),
        SYNC,
    ]
    ours, theirs = (client.send(Exchange([("", part) for part in parts], 1)) for client in clients)
    assert ours == theirs and ours[1][0] == "E"
