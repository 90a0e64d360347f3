"""`opendsql serve --auth iam`: tokens of AWS's own signer, through drivers, over TLS that is verified in full."""

import asyncio
import json
import ssl
from datetime import UTC, datetime, timedelta

import asyncpg
import psycopg
import pytest
from botocore import auth

from tests.aws_tokens import ADMIN_KEY, APP_KEY, HOST, KEYS, TEMPORARY_KEY, aws_token
from tests.serving_process import ServeProcess, opendsql

pytestmark = pytest.mark.slow

DENIED = "unable to accept connection, access denied"
MODES = {"one": (), "workers": ("--workers", "2"), "router": ("--router", "--workers", "2")}


def keys_file(directory):
    path = directory / "keys.json"
    found = [
        {
            "id": key.id,
            "secret": key.secret,
            "principal": key.principal,
            "actions": list(key.actions),
            **({"session_token": key.session_token} if key.session_token else {}),
        }
        for key in KEYS
    ]
    path.write_text(json.dumps({"key": found}))
    return path


def serve(directory, *options, **more):
    required = ("--auth", "iam", "--iam-keys", str(keys_file(directory)), "--tls-name", HOST)
    return ServeProcess(directory / "data", *required, *options, **more)


def connect(server, token, user="admin", **options):
    """By libpq, as if the cluster's host name led here."""
    arguments = {
        "host": HOST,
        "hostaddr": "127.0.0.1",
        "port": server.port,
        "user": user,
        "password": token,
        "dbname": "postgres",
        "sslmode": "verify-full",
        "sslrootcert": str(server.data / "tls" / "ca.pem"),
        "autocommit": True,
    }
    return psycopg.connect(**{**arguments, **options})


def denied(server, token, user="admin"):
    """What libpq tells of the refusal, behind its first line."""
    with pytest.raises(psycopg.OperationalError) as caught:
        connect(server, token, user)
    first, *rest = str(caught.value).strip().splitlines()
    assert first.endswith(f"FATAL:  {DENIED}")
    return rest


def of_asyncpg(server, token, user="admin"):
    """The current user, or the error."""
    context = ssl.create_default_context(cafile=server.data / "tls" / "ca.pem")

    async def ask():
        connection = await asyncpg.connect(
            host="localhost", port=server.port, user=user, password=token, database="postgres", ssl=context
        )
        try:
            return await connection.fetchval("SELECT current_user")
        finally:
            await connection.close()

    try:
        return asyncio.run(ask())
    except asyncpg.PostgresError as error:
        return error


@pytest.fixture
def at(monkeypatch):
    """Sets the signer's clock that many seconds off."""

    def set_clock(seconds):
        signed = datetime.now(UTC) + timedelta(seconds=seconds)
        monkeypatch.setattr(auth, "get_current_datetime", lambda *_args, **_kw: signed)

    return set_clock


@pytest.mark.parametrize("mode", MODES)
def test_admin_maps_a_role_and_its_principal_enters(tmp_path, mode):
    with serve(tmp_path, *MODES[mode]) as server:
        app = aws_token(APP_KEY, is_admin=False)
        with connect(server, aws_token()) as admin:
            admin.execute("CREATE ROLE app WITH LOGIN")
            assert denied(server, app, "app") == []
            admin.execute(f"AWS IAM GRANT app TO '{APP_KEY.principal}'")
            with connect(server, app, "app") as connection:
                assert connection.execute("SELECT current_user").fetchone() == ("app",)
            assert of_asyncpg(server, aws_token(APP_KEY, "localhost", is_admin=False), "app") == "app"
            other = aws_token(TEMPORARY_KEY, is_admin=False)
            assert denied(server, other, "app") == []
            admin.execute(f"AWS IAM REVOKE app FROM '{APP_KEY.principal}'")
            assert denied(server, app, "app") == []
        assert of_asyncpg(server, aws_token(host="localhost")) == "admin"
        assert of_asyncpg(server, aws_token(TEMPORARY_KEY, host="127.0.0.1")) == "admin"
        assert server.stop() == 0
        assert server.stderr == ""


def test_refusals(tmp_path, at):
    with serve(tmp_path) as server:
        with connect(server, aws_token()) as admin:
            admin.execute("CREATE ROLE app WITH LOGIN")
            admin.execute(f"AWS IAM GRANT app TO '{APP_KEY.principal}'")
        assert denied(server, aws_token(region="us-east-2")) == []
        assert denied(server, aws_token(host=HOST.replace("abc", "xyz"))) == []
        assert denied(server, aws_token(APP_KEY, is_admin=False), "nobody") == []
        wrong = "HINT:  Wrong user to action mapping. user: {}, action: {}"
        assert denied(server, aws_token(is_admin=False)) == [wrong.format("admin", "DbConnect")]
        assert denied(server, aws_token(), "app") == [wrong.format("app", "DbConnectAdmin")]
        (hint,) = denied(server, aws_token(APP_KEY))
        assert "is not authorized to perform: dsql:DbConnectAdmin" in hint
        for password in ("secret", ADMIN_KEY.secret, "x" * 60_000):
            assert denied(server, password) == []
        at(-901)
        (hint,) = denied(server, aws_token())
        assert hint.startswith("HINT:  Signature expired: ")
        at(+600)
        assert denied(server, aws_token()) == []
        at(-880)
        with connect(server, aws_token()) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        refused = of_asyncpg(server, aws_token(is_admin=False, host="localhost"))
        assert (refused.sqlstate, refused.message) == ("08006", DENIED)
        assert server.stderr == ""


def test_nobody_is_asked_for_a_token_in_the_clear(tmp_path):
    with serve(tmp_path) as server:
        with pytest.raises(psycopg.OperationalError) as caught:
            connect(server, aws_token(), sslmode="disable")
        assert "no pg_hba.conf entry for host" in str(caught.value)


def test_a_role_that_must_not_log_in_any_more(tmp_path):
    with serve(tmp_path) as server:
        with connect(server, aws_token()) as admin:
            admin.execute("CREATE ROLE app WITH LOGIN")
            admin.execute(f"AWS IAM GRANT app TO '{APP_KEY.principal}'")
            admin.execute("ALTER ROLE app NOLOGIN")
        with pytest.raises(psycopg.OperationalError, match='role "app" is not permitted to log in'):
            connect(server, aws_token(APP_KEY, is_admin=False), "app")


def test_mappings_outlive_the_server_and_any_address_may_be_listened_on(tmp_path):
    with serve(tmp_path) as server:
        with connect(server, aws_token()) as admin:
            admin.execute("CREATE ROLE app WITH LOGIN")
            admin.execute(f"AWS IAM GRANT app TO '{APP_KEY.principal}'")
        assert server.stop() == 0
    with serve(tmp_path, "--host", "0.0.0.0", "--region", "eu-west-1") as server:
        token = aws_token(APP_KEY, region="eu-west-1", is_admin=False)
        with connect(server, token, "app") as connection:
            rows = connection.execute("SELECT arn, pg_role_name FROM sys.iam_pg_role_mappings").fetchall()
        assert rows == [(APP_KEY.principal, "app")]
        assert denied(server, aws_token(APP_KEY, is_admin=False), "app") == []


def test_our_own_tokens(tmp_path):
    with serve(tmp_path, "--region", "eu-west-1", environment={"OPENDSQL_LOG": "DEBUG"}) as server:
        file = ("--iam-keys", tmp_path / "keys.json", "--host", HOST, "--admin")
        made = opendsql("token", *file, environment={"AWS_REGION": "eu-west-1"})
        assert (made.returncode, made.stderr) == (0, "")
        with connect(server, made.stdout.strip()) as admin:
            assert admin.execute("SELECT current_user").fetchone() == ("admin",)
        signature = made.stdout.strip().rpartition("=")[2]
        assert signature not in server.stderr
        assert not any(key.secret in server.stderr for key in KEYS)
