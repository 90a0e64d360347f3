"""Tokens against AWS's own signer: what it makes is accepted and made alike, and no changed field passes."""

from datetime import UTC, datetime, timedelta
from urllib.parse import quote, urlencode

import msgspec
import pytest
from botocore import auth
from hypothesis import given
from hypothesis import strategies as st

from server.errors import PgError
from server.pgwire.sigv4 import ACTIONS, AccessKey, Trust, _signature, make_token, verify
from tests.aws_tokens import ADMIN_KEY, APP_KEY, HOST, KEYS, REGION, TEMPORARY_KEY, TRUST, aws_token

NOW = datetime(2026, 8, 1, 12, 0, 0, tzinfo=UTC)
DENIED = "unable to accept connection, access denied"


@pytest.fixture(autouse=True)
def signing_time(monkeypatch):
    """The signer's clock; a list whose one item may be replaced."""
    times = [NOW]
    monkeypatch.setattr(auth, "get_current_datetime", lambda *_args, **_kw: times[0])
    return times


def denied(token: str, user: str = "admin", trust: Trust = TRUST, now: datetime = NOW) -> str | None:
    """The hint with which the token is refused."""
    with pytest.raises(PgError) as caught:
        verify(token, user, trust, now)
    error = caught.value
    assert (error.severity, error.sqlstate, error.message) == ("FATAL", "08006", DENIED)
    assert error.detail is None
    return error.hint


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.id)
@pytest.mark.parametrize("host", [HOST, HOST.upper(), "localhost", "127.0.0.1", "[::1]"])
@pytest.mark.parametrize("action", ACTIONS)
def test_what_aws_makes_is_accepted_and_made_alike(key, host, action):
    is_admin = action == "DbConnectAdmin"
    token = aws_token(key, host, REGION, is_admin)
    assert make_token(key, host, REGION, action, NOW, 900) == token
    user = "admin" if is_admin else "app"
    if action in key.actions:
        assert verify(token, user, TRUST, NOW) == key.principal


texts = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40)


@given(
    id=texts,
    secret=texts,
    session=st.none() | texts,
    region=st.from_regex(r"[a-z]{2}-[a-z]{4}-[1-9]", fullmatch=True),
)
def test_any_key_signs_as_aws_does(id, secret, session, region):
    key = AccessKey(id, secret, ADMIN_KEY.principal, ACTIONS, session)
    token = aws_token(key, HOST, region)
    assert make_token(key, HOST, region, "DbConnectAdmin", NOW, 900) == token
    accepted = "/" not in id
    trust = Trust(region, TRUST.hosts, (key,))
    if accepted:
        assert verify(token, "admin", trust, NOW) == key.principal
    else:
        assert denied(token, trust=trust) is None


def test_every_character_of_a_token_counts():
    """But the case of the host's letters, and of the digits of percent-encoded bytes."""
    token = aws_token(TEMPORARY_KEY)
    for at, character in enumerate(token):
        other = "A" if character not in "aA" else "b"
        assert denied(token[:at] + other + token[at + 1 :]) is None
        assert denied(token[:at] + token[at + 1 :]) is None


FIELDS = {
    "another host": {"host": "abcdefghijklmnopqrstuvwxyz.dsql.us-east-2.on.aws"},
    "a host too deep": {"host": f"a.{HOST}"},
    "no label": {"host": ".dsql.us-east-1.on.aws"},
    "the suffix itself": {"host": "dsql.us-east-1.on.aws"},
    "a port": {"host": f"{HOST}:5432"},
    "another region": {"region": "us-east-2"},
    "another action": {"action": "GetCluster"},
    "no time to live": {"expires_s": 0},
    "more than a week": {"expires_s": 604_801},
}


@pytest.mark.parametrize("changes", FIELDS.values(), ids=FIELDS.keys())
def test_rightly_signed_but_not_for_us(changes):
    fields = {"host": HOST, "region": REGION, "action": "DbConnectAdmin", "now": NOW, "expires_s": 900}
    assert verify(make_token(ADMIN_KEY, **fields), "admin", TRUST, NOW) == ADMIN_KEY.principal
    assert denied(make_token(ADMIN_KEY, **{**fields, **changes})) is None


KEY_FIELDS = {
    "a key nobody has": {"id": "AKIANOBODY"},
    "another's secret": {"secret": APP_KEY.secret},
    "a session that is not the key's": {"session_token": "session"},
}


@pytest.mark.parametrize("changes", KEY_FIELDS.values(), ids=KEY_FIELDS.keys())
def test_another_key(changes):
    for key in (ADMIN_KEY, TEMPORARY_KEY):
        assert denied(aws_token(msgspec.structs.replace(key, **changes))) is None


def test_a_temporary_key_needs_its_session_token():
    assert denied(aws_token(msgspec.structs.replace(TEMPORARY_KEY, session_token=None))) is None


@pytest.mark.parametrize("service", ["rds-db", "s3"])
def test_another_service(monkeypatch, service):
    monkeypatch.setattr("server.pgwire.sigv4.SERVICE", service)
    token = make_token(ADMIN_KEY, HOST, REGION, "DbConnectAdmin", NOW, 900)
    monkeypatch.undo()
    assert denied(token) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-Amz-Algorithm", "AWS4-HMAC-SHA512"),
        ("X-Amz-SignedHeaders", "host;x-amz-date"),
        ("X-Amz-SignedHeaders", ""),
        ("X-Amz-Credential", f"{ADMIN_KEY.id}/20260731/{REGION}/dsql/aws4_request"),
        ("X-Amz-Credential", f"{ADMIN_KEY.id}/20260801/{REGION}/rds/aws4_request"),
        ("X-Amz-Credential", f"{ADMIN_KEY.id}/20260801/{REGION}/dsql/aws4_request/more"),
        ("X-Amz-Credential", f"/20260801/{REGION}/dsql/aws4_request"),
        ("X-Amz-Date", "2026-08-01T12:00:00Z"),
        ("X-Amz-Date", "20260801T126000Z"),
        ("X-Amz-Date", "20260801"),
        ("X-Amz-Expires", "-900"),
        ("X-Amz-Expires", "900.0"),
        ("X-Amz-Expires", "1e3"),
        ("X-Amz-Expires", ""),
        ("X-Amz-Security-Token", "session"),
        ("Action", "dbconnectadmin"),
        ("Action", ""),
    ],
)
def test_fields_that_are_signed_and_wrong(name, value):
    """The signature is right for the field as it stands."""
    fields = {
        "Action": "DbConnectAdmin",
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Credential": f"{ADMIN_KEY.id}/20260801/{REGION}/dsql/aws4_request",
        "X-Amz-Date": "20260801T120000Z",
        "X-Amz-Expires": "900",
        "X-Amz-SignedHeaders": "host",
    }

    def signed(fields):
        signature = _signature(ADMIN_KEY, HOST, fields.items(), fields["X-Amz-Date"], REGION)
        return f"{HOST}/?{urlencode({**fields, 'X-Amz-Signature': signature}, quote_via=quote)}"

    assert verify(signed(fields), "admin", TRUST, NOW) == ADMIN_KEY.principal
    assert denied(signed({**fields, name: value})) is None


def test_what_a_signer_must_not_leave_out_or_add():
    token = aws_token()
    host, query = token.split("/?")
    parts = query.split("&")
    for left_out in parts:
        assert denied(f"{host}/?{'&'.join(part for part in parts if part is not left_out)}") is None
    for added in (*parts, "Action=DbConnect", "X-Amz-Signature=0", "Version=1", "", "%ff=1"):
        assert denied(f"{token}&{added}") is None
        assert denied(f"{host}/?{added}&{query}") is None


@pytest.mark.parametrize(
    "token",
    ["", "/?", "secret", HOST, f"{HOST}/", f"https://{aws_token()}", "Ã¤/?Action=DbConnectAdmin", "a/?%ff"],
)
def test_no_password_is_a_token(token):
    assert denied(token) is None


def test_time_from_a_little_ahead_until_it_expires(signing_time):
    signing_time[0] = NOW
    token = aws_token(expires_s=60)
    for seconds in (-300, 0, 60):
        verify(token, "admin", TRUST, NOW + timedelta(seconds=seconds))
    assert denied(token, now=NOW - timedelta(seconds=301)) is None
    late = (
        "Signature expired: 20260801T120000Z is now earlier than 20260801T120001Z (20260801T120101Z - 1 min.)"
    )
    assert denied(token, now=NOW + timedelta(seconds=61)) == late
    week = aws_token(expires_s=604_800)
    verify(week, "admin", TRUST, NOW + timedelta(days=7))
    assert (denied(week, now=NOW + timedelta(days=7, seconds=1)) or "").startswith("Signature expired: ")


def test_an_expired_token_that_is_not_genuine_tells_nothing():
    token = aws_token()
    forged = token[:-1] + ("0" if token[-1] != "0" else "1")
    assert denied(forged, now=NOW + timedelta(days=1)) is None


@pytest.mark.parametrize(
    ("user", "is_admin", "action"), [("admin", False, "DbConnect"), ("app", True, "DbConnectAdmin")]
)
def test_user_and_action(user, is_admin, action):
    hint = f"Wrong user to action mapping. user: {user}, action: {action}"
    assert denied(aws_token(is_admin=is_admin), user) == hint


def test_an_action_that_the_principal_may_not_do():
    hint = (
        f"User: {APP_KEY.principal} is not authorized to perform: dsql:DbConnectAdmin on resource: "
        f"arn:aws:dsql:us-east-1:123456789012:cluster/{HOST[:26]} "
        "because no identity-based policy allows the dsql:DbConnectAdmin action"
    )
    assert denied(aws_token(APP_KEY)) == hint


def test_secrets_are_not_shown():
    shown = repr(TRUST)
    for key in KEYS:
        assert key.secret not in shown
    assert "tok+en" not in shown
