"""SQLAlchemy: what its dialects ask a server at the start, of transactions, in bulk, and when they reflect tables."""

import uuid
from collections.abc import Iterator

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy import orm

from tests.server import Server, empty

pytestmark = pytest.mark.slow
DRIVERS = {
    "own": ("postgresql+psycopg", {"use_native_hstore": False}),
    "aws": ("auroradsql+psycopg", {}),
}


class Base(orm.DeclarativeBase):
    pass


class Account(Base):
    __tablename__ = "account"
    __table_args__ = (sa.CheckConstraint("balance >= 0", name="not_overdrawn"), {"comment": "who has what"})
    id: orm.Mapped[uuid.UUID] = orm.mapped_column(
        primary_key=True, server_default=sa.text("gen_random_uuid()")
    )
    name: orm.Mapped[str] = orm.mapped_column(sa.String(40), unique=True)
    balance: orm.Mapped[int]


class Entry(Base):
    __tablename__ = "entry"
    account_id: orm.Mapped[uuid.UUID] = orm.mapped_column(
        sa.ForeignKey("account.id", ondelete="CASCADE"), primary_key=True
    )
    number: orm.Mapped[int] = orm.mapped_column(primary_key=True, autoincrement=False)
    text: orm.Mapped[str | None]
    account: orm.Mapped[Account] = orm.relationship(
        backref=orm.backref("entries", cascade="all, delete-orphan", passive_deletes=True)
    )


@pytest.fixture(params=DRIVERS)
def engine(request: pytest.FixtureRequest, shared_server: Server) -> Iterator[sa.Engine]:
    """An engine of each dialect, with the tables."""
    empty(shared_server.dsn)
    drivername, options = DRIVERS[request.param]
    url = f"{drivername}://admin@127.0.0.1:{shared_server.port}/postgres"
    engine = sa.create_engine(url, **options)
    Base.metadata.create_all(engine.execution_options(isolation_level="AUTOCOMMIT"))
    yield engine
    engine.dispose()
    empty(shared_server.dsn)


def test_units_of_work(engine: sa.Engine) -> None:
    with orm.Session(engine) as session, session.begin():
        account = Account(name="Ann", balance=3)
        account.entries = [Entry(number=number, text=None) for number in range(3)]
        session.add(account)
        session.add_all(Account(name=f"n{number}", balance=number) for number in range(500))
    with orm.Session(engine) as session, session.begin():
        found = session.scalars(
            sa.select(Account).where(Account.name == "Ann").options(orm.selectinload(Account.entries))  # type: ignore[attr-defined]
        ).one()
        assert [each.number for each in found.entries] == [0, 1, 2]  # type: ignore[attr-defined]
        found.balance += 1
    with orm.Session(engine) as session, session.begin():
        total = session.execute(sa.select(sa.func.count(), sa.func.sum(Account.balance))).one()
        assert tuple(total) == (501, 4 + sum(range(500)))
        session.delete(session.scalars(sa.select(Account).filter_by(name="Ann").with_for_update()).one())
    with engine.connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(Entry)) == 0


def test_a_lost_commit_is_an_operational_error(engine: sa.Engine) -> None:
    with orm.Session(engine) as session, session.begin():
        session.add(Account(name="Ann", balance=0))
    with orm.Session(engine) as one, orm.Session(engine) as two:
        for session in (one, two):
            session.execute(sa.update(Account).values(balance=Account.balance + 1))
        one.commit()
        with pytest.raises(sa.exc.OperationalError) as caught:
            two.commit()
    assert isinstance(caught.value.orig, psycopg.errors.SerializationFailure)
    assert caught.value.orig.sqlstate == "40001"
    assert not caught.value.connection_invalidated


def test_savepoints_are_refused(engine: sa.Engine) -> None:
    with orm.Session(engine) as session, pytest.raises(sa.exc.DBAPIError) as caught:
        session.begin_nested()
        session.flush()
        session.execute(sa.select(1))
    assert "unsupported transaction statement: SAVEPOINT" in str(caught.value)


def test_the_isolation_level(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        assert connection.get_isolation_level() == "REPEATABLE READ"
    with (
        engine.connect().execution_options(isolation_level="SERIALIZABLE") as connection,
        pytest.raises(sa.exc.DBAPIError, match="Unsupported isolation level: SERIALIZABLE"),
    ):
        connection.execute(sa.select(1))


def test_tables_are_reflected(engine: sa.Engine) -> None:
    inspector = sa.inspect(engine)
    assert inspector.get_schema_names() == ["information_schema", "opendsql", "public", "sys"]
    assert sorted(inspector.get_table_names()) == ["account", "entry"]
    assert inspector.get_table_comment("account") == {"text": "who has what"}
    assert inspector.get_pk_constraint("entry")["constrained_columns"] == ["account_id", "number"]
    (key,) = inspector.get_foreign_keys("entry")
    assert (key["referred_table"], key["options"]) == ("account", {"ondelete": "CASCADE"})
    assert [each["column_names"] for each in inspector.get_unique_constraints("account")] == [["name"]]
    assert [each["name"] for each in inspector.get_check_constraints("account")] == ["not_overdrawn"]
    if engine.name == "postgresql":
        # AWS's dialect 1.3 does not know the columns that SQLAlchemy of today reads there.
        found = {each["name"]: each for each in inspector.get_columns("account")}
        assert (str(found["id"]["type"]), found["id"]["default"]) == ("UUID", "gen_random_uuid()")
        assert (str(found["name"]["type"]), found["name"]["nullable"]) == ("VARCHAR(40)", False)
        reflected = sa.MetaData()
        reflected.reflect(engine)
        assert sorted(reflected.tables) == ["account", "entry"]
        (index,) = inspector.get_indexes("account")
        assert (index["name"], index["duplicates_constraint"]) == ("account_name_key", "account_name_key")
