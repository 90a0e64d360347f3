"""The file of access keys, `opendsql token`, and what `--auth iam` wants on the command line."""

from datetime import UTC, datetime

import pytest
from click.testing import CliRunner

from server.cli_serve import serve
from server.cli_token import token
from server.errors import PgError
from server.iam_keys import BadKeys, read
from server.pgwire.sigv4 import verify
from server.runtime.gate import CatalogGate
from tests.aws_tokens import ADMIN_KEY, APP_KEY, TEMPORARY_KEY, TRUST, aws_token

TOML = f"""
[[key]]
id = "{APP_KEY.id}"
secret = "{APP_KEY.secret}"
principal = "{APP_KEY.principal}"

[[key]]
id = "{TEMPORARY_KEY.id}"
secret = "{TEMPORARY_KEY.secret}"
principal = "{TEMPORARY_KEY.principal}"
actions = ["dsql:DbConnect", "DbConnectAdmin"]
session_token = "{TEMPORARY_KEY.session_token}"
"""
NO_ENVIRONMENT = dict.fromkeys(
    ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_DEFAULT_REGION")
)


@pytest.fixture
def keys(tmp_path):
    path = tmp_path / "keys.toml"
    path.write_text(TOML)
    return path


def test_both_kinds_of_file(tmp_path, keys):
    assert read(keys) == (APP_KEY, TEMPORARY_KEY)
    path = tmp_path / "keys.json"
    path.write_text(f'{{"key": [{{"id": "AKIAAPP", "secret": "s", "principal": "{APP_KEY.principal}"}}]}}')
    (key,) = read(path)
    assert (key.id, key.secret, key.actions, key.session_token) == ("AKIAAPP", "s", ("DbConnect",), None)


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        (TOML, "", "missing required field `key`"),
        (TOML, "key = []", "0 keys, where 1 to 1000 are possible"),
        (TOML, '[[key]]\nid = "A"', "missing required field `secret` - at `$.key[0]`"),
        ('id = "AKIAAPP"', "id = 1", "Expected `str`, got `int` - at `$.key[0].id`"),
        ('id = "AKIAAPP"', 'id = "A/B"', "key 1: id must consist of letters and digits"),
        ('id = "ASIATEMP"', 'id = "AKIAAPP"', "key 2: the id is another key's"),
        (APP_KEY.secret, "", "key 1: secret and session_token must not be empty"),
        (TEMPORARY_KEY.session_token, "", "key 2: secret and session_token must not be empty"),
        (APP_KEY.principal, "arn:aws:iam::123456789012:root", "key 1: principal must be the ARN of an IAM user or"),
        ('"DbConnectAdmin"', '"*"', "key 2: actions must be some of DbConnect, DbConnectAdmin"),
        ('["dsql:DbConnect", "DbConnectAdmin"]', "[]", "key 2: actions must be some of"),
        ("session_token", "sesion_token", "unknown field `sesion_token`"),
        ("[[key]]", "[[key", "not TOML"),
    ],
)  # fmt: skip
def test_files_that_are_not_right(keys, before, after, reason):
    keys.write_text(TOML.replace(before, after, 1))
    with pytest.raises(BadKeys) as caught:
        read(keys)
    assert reason in str(caught.value)
    assert TEMPORARY_KEY.secret not in str(caught.value).replace(keys.name, "")


def test_text_that_is_none(tmp_path):
    for name in ("keys.json", "keys.toml"):
        path = tmp_path / name
        path.write_bytes(b"\xff{")
        with pytest.raises(BadKeys, match="it is not text of its kind"):
            read(path)


def test_a_file_beyond_all_measure(tmp_path):
    path = tmp_path / "keys.toml"
    path.write_bytes(b"#" * ((4 << 20) + 1))
    with pytest.raises(BadKeys, match="longer than 4 MiB"):
        read(path)


def made(*arguments, **environment):
    result = CliRunner().invoke(token, [*map(str, arguments)], env={**NO_ENVIRONMENT, **environment})
    return result.exit_code, result.stdout.removesuffix("\n"), result.stderr


@pytest.mark.parametrize(
    ("arguments", "environment", "user", "principal"),
    [
        (("--iam-keys", "FILE"), {}, "app", APP_KEY.principal),
        (("--iam-keys", "FILE", "--admin"), {}, "admin", TEMPORARY_KEY.principal),
        (("--iam-keys", "FILE", "--key", "ASIATEMP"), {}, "app", TEMPORARY_KEY.principal),
        (("--iam-keys", "FILE", "--host", "::1"), {}, "app", None),
        (("--iam-keys", "FILE", "--host", "[::1]"), {}, "app", APP_KEY.principal),
        (("--iam-keys", "FILE", "--region", "eu-west-1"), {"AWS_REGION": "us-east-1"}, "app", None),
        (("--iam-keys", "FILE"), {"AWS_DEFAULT_REGION": "eu-west-1"}, "app", None),
        (
            ("--admin", "--expires", "60"),
            {"AWS_ACCESS_KEY_ID": ADMIN_KEY.id, "AWS_SECRET_ACCESS_KEY": ADMIN_KEY.secret},
            "admin",
            ADMIN_KEY.principal,
        ),
        (
            (),
            {
                "AWS_ACCESS_KEY_ID": TEMPORARY_KEY.id,
                "AWS_SECRET_ACCESS_KEY": TEMPORARY_KEY.secret,
                "AWS_SESSION_TOKEN": TEMPORARY_KEY.session_token,
            },
            "app",
            TEMPORARY_KEY.principal,
        ),
    ],
)
def test_tokens(keys, arguments, environment, user, principal):
    code, printed, errors = made(*(keys if word == "FILE" else word for word in arguments), **environment)
    assert (code, errors) == (0, "")
    if principal is None:
        with pytest.raises(PgError):
            verify(printed, user, TRUST, datetime.now(UTC))
    else:
        assert verify(printed, user, TRUST, datetime.now(UTC)) == principal


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ((), "AWS_ACCESS_KEY_ID"),
        (("--key", "X"), "--key needs --iam-keys"),
        (("--iam-keys", "FILE", "--key", "X"), "no key X"),
        (("--iam-keys", "FILE", "--region", "a/b"), "'a/b' is not the name of a region"),
        (("--iam-keys", "FILE", "--expires", "604801"), "604801"),
        (("--iam-keys", "FILE", "--expires", "0"), "--expires"),
    ],
)
def test_usage_of_token(keys, arguments, word):
    code, printed, errors = made(*(keys if each == "FILE" else each for each in arguments))
    assert (code, printed) == (2, "")
    assert word in errors


def test_no_key_may_be_admin(keys):
    keys.write_text(TOML[: TOML.rindex("[[key]]")])
    assert made("--iam-keys", keys, "--admin") == (
        2,
        "",
        "opendsql: --iam-keys: no key may do DbConnectAdmin\n",
    )


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ((), "--auth iam needs --iam-keys"),
        (("--iam-keys", "FILE", "--region", "Ü"), "is not the name of a region"),
        (("--iam-keys", "BAD"), "key 1: secret and session_token must not be empty"),
    ],
)
def test_usage_of_serve(tmp_path, keys, arguments, word):
    bad = tmp_path / "bad.toml"
    bad.write_text(TOML.replace(APP_KEY.secret, ""))
    paths = {"FILE": str(keys), "BAD": str(bad)}
    started = [
        "--auth",
        "iam",
        "--data",
        str(tmp_path / "data"),
        *(paths.get(each, each) for each in arguments),
    ]
    result = CliRunner().invoke(serve, started)
    assert (result.exit_code, result.stdout) == (2, "")
    assert word in result.stderr


def test_a_gate_that_trusts_nobody_opens_for_nobody():
    gate = CatalogGate("iam", lambda: pytest.fail("nobody may get so far"))
    with pytest.raises(PgError, match="access denied"):
        gate.check_token("admin", aws_token(host="localhost"))
    assert gate.method("admin", "postgres", True) == "token"
    with pytest.raises(PgError, match="tokens are accepted over TLS only"):
        gate.method("admin", "postgres", False)
