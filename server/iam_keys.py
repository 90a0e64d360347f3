"""The operator's file of access keys, for `--auth iam` and `opendsql token`: TOML, or JSON of the same shape.

[[key]]
id = "AKIAEXAMPLE"
secret = "..."
principal = "arn:aws:iam::123456789012:role/app"    # of an IAM user or role
actions = ["DbConnect", "DbConnectAdmin"]           # DbConnect alone, if left out
session_token = "..."                               # of temporary credentials only
"""

import tomllib
from pathlib import Path

import msgspec

from server.catalog.iam_arn import is_iam_arn
from server.pgwire.sigv4 import ACTION, ACTIONS, AccessKey

MOST_KEYS = 1_000
"""Every login compares with each of them."""
_FILE_BYTES = 4 << 20


class BadKeys(Exception):
    """What is wrong with the file, without a secret in it."""


class _Key(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    id: str
    secret: str
    principal: str
    actions: tuple[str, ...] = (ACTION,)
    session_token: str | None = None


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    key: list[_Key]


def read(path: Path) -> tuple[AccessKey, ...]:
    """The keys of a file. Raises BadKeys, OSError."""
    with path.open("rb") as file:
        data = file.read(_FILE_BYTES + 1)
    if len(data) > _FILE_BYTES:
        raise BadKeys(f"{path}: longer than {_FILE_BYTES >> 20} MiB")
    try:
        content = msgspec.json.decode(data) if path.suffix == ".json" else tomllib.loads(data.decode())
        found = msgspec.convert(content, _File).key
    except tomllib.TOMLDecodeError as error:
        raise BadKeys(f"{path}: not TOML: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        reason = str(error) if isinstance(error, msgspec.ValidationError) else "it is not text of its kind"
        raise BadKeys(f"{path}: {reason}") from None
    if not 1 <= len(found) <= MOST_KEYS:
        raise BadKeys(f"{path}: {len(found)} keys, where 1 to {MOST_KEYS} are possible")
    ids = [key.id for key in found]
    for number, key in enumerate(found):
        problem = _problem(key)
        if ids.index(key.id) < number:
            problem = "the id is another key's"
        if problem is not None:
            raise BadKeys(f"{path}: key {number + 1}: {problem}")
    return tuple(
        AccessKey(key.id, key.secret, key.principal, _actions(key), key.session_token) for key in found
    )


def _actions(key: _Key) -> tuple[str, ...]:
    """Without the `dsql:` that they have in policies."""
    return tuple(action.removeprefix("dsql:") for action in key.actions)


def _problem(key: _Key) -> str | None:
    if not key.id.isalnum() or not key.id.isascii():
        return "id must consist of letters and digits"
    if not key.secret or key.session_token == "":
        return "secret and session_token must not be empty"
    if not is_iam_arn(key.principal):
        return "principal must be the ARN of an IAM user or role"
    if not key.actions or not set(_actions(key)) <= set(ACTIONS):
        return f"actions must be some of {', '.join(ACTIONS)}"
    return None
