"""Privileges: the scripts of privileges/*.sql, run by several roles, answer as PostgreSQL does.

    -- as NAME      who runs what follows, each on a connection of its own; admin in the beginning, which is the
                    superuser postgres there

A script's roles, schemas and tables are its own: nothing is emptied in between.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.differential import Statement, differences, read_statements
from tests.postgres import Postgres
from tests.server import Answer, Server, Wire, running

FILES = sorted((Path(__file__).parent / "privileges").glob("*.sql"))
AS = re.compile(r"^-- as (\w+)$", re.MULTILINE)
SUPERUSER = re.compile(r"\bpostgres\b")


@pytest.fixture(scope="module")
def own_server() -> Iterator[Server]:
    """A server of this module: roles that own default privileges are no easy prey for `empty`."""
    yield from running("--memory", "--no-conflict-detail")


@pytest.fixture(scope="module")
def twin(postgres: Postgres) -> Iterator[Postgres]:
    """PostgreSQL with a schema public as DSQL has it, which is the superuser's."""
    with postgres.connect() as connection:
        connection.execute("ALTER SCHEMA public OWNER TO postgres")
    yield postgres
    with postgres.connect() as connection:
        connection.execute("SET client_min_messages = warning")
        roles = connection.execute(
            "SELECT quote_ident(rolname) FROM pg_roles WHERE rolname !~ '^pg_' AND rolname <> 'postgres'"
        ).fetchall()
        for (role,) in roles:
            connection.execute(f"DROP OWNED BY {role} CASCADE")
        for (role,) in roles:
            connection.execute(f"DROP ROLE {role}")


class Users:
    """Both servers, with one connection per role, opened on first use."""

    def __init__(self, ours: Server, theirs: Postgres) -> None:
        self._dsn = ours.dsn, theirs.dsn
        self._wires: dict[str, tuple[Wire, Wire]] = {}

    def wires(self, user: str) -> tuple[Wire, Wire]:
        """Ours and theirs."""
        if user not in self._wires:
            ours, theirs = self._dsn
            name = "postgres" if user == "admin" else user
            self._wires[user] = (
                Wire(ours.replace("user=admin", f"user={user}")),
                Wire(theirs.replace("user=postgres", f"user={name}")),
            )
        return self._wires[user]

    def ours(self, user: str, sql: str, copy: bytes = b"") -> list[Answer]:
        """Again after OC001: the statement before it may have changed what the session knew."""
        wire = self.wires(user)[0]
        answers = wire.simple(sql, copy)
        return wire.simple(sql, copy) if answers[-1].sqlstate == "40001" else answers

    def compare(self, user: str, statement: Statement) -> list[str]:
        """What differs, as lines."""
        wires = self.wires(user)
        ours = [alike(answer) for answer in self.ours(user, statement.sql, statement.copy)]
        theirs = [alike(answer) for answer in wires[1].simple(statement.sql, statement.copy)]
        found = [] if len(ours) == len(theirs) else [f"answers: {len(ours)} {len(theirs)}"]
        for one, other in zip(ours, theirs, strict=False):
            # The superuser's name has another place in the order.
            found += differences(one, other, False, statement.differs)
        notices = [[as_admin(str(notice)) for notice in wire.notices] for wire in wires]
        for wire in wires:
            wire.notices.clear()
        if notices[0] != notices[1]:
            found.append(f"notices: {notices[0]} | {notices[1]}")
        return found

    def close(self) -> None:
        for pair in self._wires.values():
            for wire in pair:
                wire.close()


def as_admin(text: str) -> str:
    return SUPERUSER.sub("admin", text)


def alike(answer: Answer) -> Answer:
    """With the superuser under one name."""
    answer.message, answer.detail = as_admin(answer.message), as_admin(answer.detail)
    answer.rows = [
        tuple(None if value is None else as_admin(value.decode()).encode() for value in row)
        for row in answer.rows
    ]
    return answer


@pytest.fixture
def users(own_server: Server, twin: Postgres) -> Iterator[Users]:
    made = Users(own_server, twin)
    yield made
    made.close()


def parts(text: str) -> Iterator[tuple[str, int, str]]:
    """(user, number of lines before, text)."""
    pieces = AS.split("-- as admin\n" + text)
    line = -1
    for user, part in zip(pieces[1::2], pieces[2::2], strict=True):
        yield user, line, part
        line += part.count("\n")


@pytest.mark.slow
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_file(path: Path, users: Users) -> None:
    wrong = []
    count = 0
    for user, before, part in parts(path.read_text()):
        for statement in read_statements(part):
            count += 1
            found = users.compare(user, statement)
            if found:
                line = before + statement.line
                wrong.append("\n".join([f"{path.name}:{line}: {user}> {statement.sql}", *found]))
    assert not wrong, "\n\n".join([f"{len(wrong)} of {count} differ", *wrong])
