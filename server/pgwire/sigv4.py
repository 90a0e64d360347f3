"""Tokens instead of passwords: SigV4 presigned requests, made and verified, without clock or I/O (dsql-reference §7).

    <host>/?Action=DbConnectAdmin&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=<key>%2F<date>%2F<region>%2Fdsql
    %2Faws4_request&X-Amz-Date=<date>T<time>Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host&X-Amz-Signature=<hex>

The request is a GET of `/` without a body, the only signed header is `host`. The rules of canonical requests are
those of AWS's "Signature Version 4 signing process". What is wrong with a token is told only where DSQL tells it.
"""

import hashlib
import hmac
import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, unquote_to_bytes

import msgspec

from server.errors import PgError

ALGORITHM = "AWS4-HMAC-SHA256"
SERVICE = "dsql"
ADMIN_ACTION, ACTION = "DbConnectAdmin", "DbConnect"
ACTIONS = (ACTION, ADMIN_ACTION)
DEFAULT_EXPIRES_S = 900
MOST_EXPIRES_S = 604_800
"""dsql-reference §4."""
SKEW_S = 300
"""How far a signer's clock may be ahead of ours; AWS's services allow as much."""

_DATE = "%Y%m%dT%H%M%SZ"
_DATE_FORM = re.compile(r"[0-9]{8}T[0-9]{6}Z")
_EXPIRES_FORM = re.compile(r"[0-9]{1,6}")
_EMPTY_BODY = hashlib.sha256(b"").hexdigest()


class AccessKey(msgspec.Struct, frozen=True):
    """An access key that the operator configured, and whose it is."""

    id: str
    secret: str
    principal: str
    """The ARN of an IAM user or role."""
    actions: tuple[str, ...]
    """Of `ACTIONS`."""
    session_token: str | None = None
    """Of temporary credentials: the token must carry it."""

    def __repr__(self) -> str:
        return f"<AccessKey {self.id} of {self.principal}>"


_NOBODYS = AccessKey("", "0" * 40, "", ())
"""Signs for keys that nobody has: they take as long to refuse as a wrong signature."""


class Trust(msgspec.Struct, frozen=True):
    """Which tokens a server accepts."""

    region: str
    hosts: tuple[str, ...]
    """What clients may call this server, in lower case; `*.` stands for one label."""
    keys: tuple[AccessKey, ...]


def make_token(key: AccessKey, host: str, region: str, action: str, now: datetime, expires_s: int) -> str:
    """The token that boto3's generator makes of the same arguments; `now` has a time zone."""
    date = now.astimezone(UTC).strftime(_DATE)
    pairs = [
        ("Action", action),
        ("X-Amz-Algorithm", ALGORITHM),
        ("X-Amz-Credential", f"{key.id}/{_scope(date, region)}"),
        ("X-Amz-Date", date),
        ("X-Amz-Expires", str(expires_s)),
        ("X-Amz-SignedHeaders", "host"),
    ]
    if key.session_token is not None:
        pairs.append(("X-Amz-Security-Token", key.session_token))
    pairs.append(("X-Amz-Signature", _signature(key, host, pairs, date, region)))
    return f"{host}/?" + "&".join(f"{name}={_quoted(value)}" for name, value in pairs)


def verify(token: str, user: str, trust: Trust, now: datetime) -> str:
    """The ARN of the principal who signed the token, and may connect as `user`, as far as IAM is concerned.

    `now` has a time zone. Raises PgError FATAL 08006 (observed on DSQL) for everything else.
    """
    host, pairs = _parse(token)
    values = dict(pairs)
    given = values.pop("X-Amz-Signature", "")
    id, _, scope = values.get("X-Amz-Credential", "").partition("/")
    date = values.get("X-Amz-Date", "")
    is_ours = (
        len(pairs) == len(values) + 1
        and scope == _scope(date, trust.region)
        and values.get("X-Amz-Algorithm") == ALGORITHM
        and values.get("X-Amz-SignedHeaders") == "host"
        and any(_is_named(host, name) for name in trust.hosts)
    )
    if not is_ours:
        raise access_denied()
    key = _find(trust.keys, id)
    expected = _signature(key or _NOBODYS, host, values.items(), date, trust.region)
    carried = values.get("X-Amz-Security-Token", "")
    is_genuine = hmac.compare_digest(expected.encode(), given.encode())
    is_genuine &= key is None or hmac.compare_digest(carried.encode(), (key.session_token or "").encode())
    if not is_genuine or key is None:
        raise access_denied()
    _check_time(date, values.get("X-Amz-Expires", ""), now)
    _check_action(values.get("Action", ""), user, key, trust.region, host)
    return key.principal


def _parse(token: str) -> tuple[str, list[tuple[str, str]]]:
    """Host in lower case, and the decoded parameters in their order."""
    host, separator, query = token.partition("/?")
    if not separator:
        raise access_denied()
    pairs = []
    for part in query.split("&"):
        name, _, value = part.partition("=")
        pairs.append((_unquoted(name), _unquoted(value)))
    return host.lower(), pairs


def _find(keys: Iterable[AccessKey], id: str) -> AccessKey | None:
    """Looks at all of them, each in constant time."""
    found = None
    for key in keys:
        if hmac.compare_digest(key.id.encode(), id.encode()):
            found = key
    return found


def _scope(date: str, region: str) -> str:
    return "/".join((date[:8], region, SERVICE, "aws4_request"))


def _signature(key: AccessKey, host: str, pairs: Iterable[tuple[str, str]], date: str, region: str) -> str:
    """Hexadecimal; `pairs` without X-Amz-Signature."""
    quoted = sorted((_quoted(name), _quoted(value)) for name, value in pairs)
    query = "&".join(f"{name}={value}" for name, value in quoted)
    request = "\n".join(("GET", "/", query, f"host:{host.lower()}", "", "host", _EMPTY_BODY))
    scope = _scope(date, region)
    signing = f"AWS4{key.secret}".encode()
    for part in scope.split("/"):
        signing = hmac.digest(signing, part.encode(), "sha256")
    to_sign = "\n".join((ALGORITHM, date, scope, hashlib.sha256(request.encode()).hexdigest()))
    return hmac.digest(signing, to_sign.encode(), "sha256").hex()


def _check_time(date: str, expires: str, now: datetime) -> None:
    if not _DATE_FORM.fullmatch(date) or not _EXPIRES_FORM.fullmatch(expires):
        raise access_denied()
    try:
        signed = datetime.strptime(date, _DATE).replace(tzinfo=UTC)
    except ValueError:
        raise access_denied() from None
    seconds = int(expires)
    if not 1 <= seconds <= MOST_EXPIRES_S or signed > now + timedelta(seconds=SKEW_S):
        raise access_denied()
    oldest = now.astimezone(UTC) - timedelta(seconds=seconds)
    if signed < oldest:
        raise expired(signed, now, seconds)


def _check_action(action: str, user: str, key: AccessKey, region: str, host: str) -> None:
    if action not in ACTIONS:
        raise access_denied()
    if (action == ADMIN_ACTION) != (user == "admin"):
        raise access_denied(f"Wrong user to action mapping. user: {user}, action: {action}")
    if action not in key.actions:
        account = key.principal.split(":")[4]
        resource = f"arn:aws:dsql:{region}:{account}:cluster/{host.partition('.')[0]}"
        raise access_denied(
            f"User: {key.principal} is not authorized to perform: dsql:{action} on resource: {resource} "
            f"because no identity-based policy allows the dsql:{action} action"
        )


def _is_named(host: str, name: str) -> bool:
    """Whether a server that is called `name` is meant by `host`; an IPv6 address stands in brackets."""
    if name.startswith("*."):
        label, dot, rest = host.partition(".")
        return bool(label and dot) and rest == name[2:]
    return host == (f"[{name}]" if ":" in name else name)


def expired(signed: datetime, now: datetime, seconds: int) -> PgError:
    """The answer to a token that was signed more than `seconds` ago."""
    oldest = now.astimezone(UTC) - timedelta(seconds=seconds)
    span = f"{now.astimezone(UTC):{_DATE}} - {seconds // 60} min."
    return access_denied(f"Signature expired: {signed:{_DATE}} is now earlier than {oldest:{_DATE}} ({span})")


def access_denied(hint: str | None = None) -> PgError:
    """DSQL's answer to every token that does not open the door; SQLSTATE and HINT as observed on DSQL."""
    return PgError("08006", "unable to accept connection, access denied", hint=hint, severity="FATAL")


def _quoted(text: str) -> str:
    return quote(text, safe="-_.~")


def _unquoted(text: str) -> str:
    try:
        return unquote_to_bytes(text).decode()
    except UnicodeDecodeError:
        raise access_denied() from None
