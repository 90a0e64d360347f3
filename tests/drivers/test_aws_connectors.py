"""AWS's own connectors for Aurora DSQL: tokens of their making, over TLS that is verified in full."""

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aurora_dsql_asyncpg
import aurora_dsql_psycopg
import psycopg
import pytest
import sqlalchemy
from aurora_dsql_sqlalchemy import create_dsql_engine

from tests.aws_tokens import ADMIN_KEY, APP_KEY, HOST
from tests.drivers.test_iam import keys_file
from tests.serving_process import ServeProcess

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServeProcess]:
    directory = tmp_path_factory.mktemp("iam")
    options = ("--auth", "iam", "--iam-keys", str(keys_file(directory)), "--tls-name", HOST)
    with ServeProcess(directory / "data", *options) as running:
        yield running


@pytest.fixture
def where(server: ServeProcess, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """How libpq finds the host name; the access key is the owner's."""
    with_key(monkeypatch, ADMIN_KEY)
    ca = str(server.data / "tls" / "ca.pem")
    return {"hostaddr": "127.0.0.1", "port": server.port, "sslmode": "verify-full", "sslrootcert": ca}


def with_key(monkeypatch: pytest.MonkeyPatch, key: Any) -> None:
    """The access key of the environment, where AWS's libraries look for it; nothing else of this machine."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": key.id,
        "AWS_SECRET_ACCESS_KEY": key.secret,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": "/dev/null",
    }.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)


def test_psycopg(where: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    connect = aurora_dsql_psycopg.DSQLConnection.connect
    with connect(host=HOST, user="admin", autocommit=True, **where) as admin:
        assert admin.pgconn.ssl_in_use
        shown = admin.execute("SELECT current_user, current_setting('application_name')").fetchone()
        assert shown is not None and shown[0] == "admin"
        assert shown[1].startswith("aurora-dsql-python-psycopg/")
        admin.execute("CREATE ROLE app WITH LOGIN")
        admin.execute(f"AWS IAM GRANT app TO '{APP_KEY.principal}'")
    with_key(monkeypatch, APP_KEY)
    with connect(host=HOST, user="app", **where) as app:
        assert app.execute("SELECT current_user").fetchone() == ("app",)
    with pytest.raises(psycopg.OperationalError, match="unable to accept connection, access denied"):
        connect(host=HOST, user="admin", **where)


def test_a_certificate_that_is_not_trusted(where: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(psycopg.OperationalError, match="certificate verify failed"):
        aurora_dsql_psycopg.DSQLConnection.connect(
            host=HOST, user="admin", **{**where, "sslrootcert": "system"}
        )


def test_its_pool_repeats_a_lost_transaction(where: dict[str, Any]) -> None:
    with (
        aurora_dsql_psycopg.create_pool(
            kwargs={"host": HOST, "user": "admin", **where}, min_size=1, max_size=2, retry=True, open=True
        ) as pool,
        pool.connection() as admin,
    ):
        admin.autocommit = True
        admin.execute("CREATE TABLE pooled (id int PRIMARY KEY)")
        admin.execute("CALL opendsql.inject('OC000', times => 2, table_name => 'pooled')")
        pool.run_transaction(lambda db: db.execute("INSERT INTO pooled VALUES (1)"))
        assert admin.execute("SELECT fired FROM opendsql.injections").fetchone() == (2,)
        assert admin.execute("SELECT count(*) FROM pooled").fetchone() == (1,)
        admin.execute("CALL opendsql.remove_injections()")
        admin.autocommit = False


def test_asyncpg(where: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """It has no way to say where a host name is, so the name service does."""
    resolve = socket.getaddrinfo
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda host, *rest, **more: resolve("127.0.0.1", *rest, **more)
    )

    async def ask() -> Any:
        db = await aurora_dsql_asyncpg.connect(
            host=HOST, port=where["port"], user="admin", ssl="verify-full", sslrootcert=where["sslrootcert"]
        )
        try:
            return await db.fetchval("SELECT current_user")
        finally:
            await db.close()

    assert asyncio.run(ask()) == "admin"


def test_sqlalchemy(where: dict[str, Any]) -> None:
    """It asks for TLS without PostgreSQL's request before it, where libpq can."""
    engine = create_dsql_engine(HOST, "admin", connect_args=where)
    with engine.connect() as connection:
        name = connection.scalar(sqlalchemy.text("SELECT current_setting('application_name')"))
        assert str(name).startswith("sqlalchemy:aurora-dsql-python-psycopg/")
    engine.dispose()
