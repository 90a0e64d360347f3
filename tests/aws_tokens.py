"""Tokens as AWS's own client makes them, with keys and hosts that tests share."""

import functools
from typing import Any

from botocore import loaders, session

from server.pgwire.sigv4 import ACTIONS, AccessKey, Trust

ACCOUNT = "123456789012"
REGION = "us-east-1"
HOST = "abcdefghijklmnopqrstuvwxyz.dsql.us-east-1.on.aws"
ADMIN_KEY = AccessKey("AKIAOWNER", "owner/secret+", f"arn:aws:iam::{ACCOUNT}:user/owner", ACTIONS)
APP_KEY = AccessKey("AKIAAPP", "app+secret/", f"arn:aws:iam::{ACCOUNT}:role/app", ("DbConnect",))
TEMPORARY_KEY = AccessKey(
    "ASIATEMP", "temporary", f"arn:aws:iam::{ACCOUNT}:role/team/temp", ACTIONS, "session/tok+en=="
)
KEYS = (ADMIN_KEY, APP_KEY, TEMPORARY_KEY)
TRUST = Trust(REGION, ("localhost", "127.0.0.1", "::1", "*.dsql.us-east-1.on.aws"), KEYS)

_LOADER = loaders.create_loader()


@functools.lru_cache(8)
def _client(key: AccessKey) -> Any:
    made = session.Session()
    made.register_component("data_loader", _LOADER)  # reads AWS's models once
    made.set_credentials(key.id, key.secret, key.session_token)
    return made.create_client("dsql", region_name=REGION)


def aws_token(
    key: AccessKey = ADMIN_KEY,
    host: str = HOST,
    region: str = REGION,
    is_admin: bool = True,
    expires_s: int = 900,
) -> str:
    """What boto3's `generate_db_connect[_admin]_auth_token` gives: it is this client's method."""
    client = _client(key)
    if is_admin:
        token: str = client.generate_db_connect_admin_auth_token(host, region, expires_s)
    else:
        token = client.generate_db_connect_auth_token(host, region, expires_s)
    return token
