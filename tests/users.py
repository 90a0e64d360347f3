"""One statement as one of several roles, for our server and for PostgreSQL; admin is the superuser postgres there."""

import re
from collections.abc import Iterator

import pytest

from tests.differential import Statement, differences
from tests.postgres import Postgres
from tests.server import Answer, Server, Wire, running

SUPERUSER = re.compile(r"\bpostgres\b")


@pytest.fixture(scope="module")
def users_server() -> Iterator[Server]:
    """A server of this module: roles that own default privileges are no easy prey for `empty`."""
    yield from running("--memory", "--no-conflict-detail", "--limit", "schemas=1000")


@pytest.fixture(scope="module")
def users_twin(postgres: Postgres) -> Iterator[Postgres]:
    """PostgreSQL with a schema public as DSQL has it, which is the superuser's."""
    with postgres.connect() as connection:
        connection.execute("ALTER SCHEMA public OWNER TO postgres")
    yield postgres
    postgres.reset()
    with postgres.connect() as connection:
        connection.execute("SET client_min_messages = warning")
        roles = connection.execute(
            "SELECT quote_ident(rolname) FROM pg_roles WHERE rolname !~ '^pg_' AND rolname <> 'postgres'"
        ).fetchall()
        for (role,) in roles:
            connection.execute(f"DROP OWNED BY {role} CASCADE")  # its default privileges
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
def users(users_server: Server, users_twin: Postgres) -> Iterator[Users]:
    made = Users(users_server, users_twin)
    yield made
    made.close()
