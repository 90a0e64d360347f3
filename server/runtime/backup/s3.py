"""Backups in S3 or in a store that speaks its protocol.

Credentials, region and endpoint come from where AWS's own tools look: the environment, ~/.aws, the instance's role.
botocore signs, retries and times out. Every body is signed with its SHA-256, so the store refuses what arrived
changed; objects are small, so nothing is uploaded in parts that could be left behind.
"""

from typing import Any

from server.runtime.backup.places import Missing, PlaceError

CONNECT_S = 10.0
READ_S = 60.0
ATTEMPTS = 6
AT_ONCE = 1000
"""Objects that one request lists or deletes."""
NOT_FOUND = frozenset({"NoSuchKey", "404", "NotFound"})
EXTRA = "backups in S3 need botocore: pip install 'opendsql[backup]'"


class Bucket:
    """A `server.runtime.backup.places.Place` below a prefix of a bucket."""

    def __init__(self, client: Any, errors: tuple[type[Exception], ...], bucket: str, prefix: str) -> None:
        """`prefix`: empty, or with a slash at its end."""
        self._client = client
        self._errors = errors
        self._bucket = bucket
        self._prefix = prefix

    def folders(self) -> list[str]:
        found = []
        for page in self._pages(Prefix=self._prefix, Delimiter="/"):
            found += [each["Prefix"] for each in page.get("CommonPrefixes", ())]
        return [each.removeprefix(self._prefix).rstrip("/") for each in found]

    def put(self, folder: str, name: str, data: bytes) -> None:
        self._call("put_object", Key=self._key(folder, name), Body=data)

    def get(self, folder: str, name: str, limit: int) -> bytes:
        key = self._key(folder, name)
        answer = self._call("get_object", Key=key)
        if answer["ContentLength"] > limit:
            raise PlaceError(f"s3://{self._bucket}/{key} is larger than {limit} bytes")
        try:
            data: bytes = answer["Body"].read()
        except self._errors as error:
            raise PlaceError(f"s3://{self._bucket}/{key}: {error}") from error
        return data

    def remove(self, folder: str, first: str) -> None:
        self._call("delete_object", Key=self._key(folder, first))
        keys = []
        for page in self._pages(Prefix=self._key(folder, "")):
            keys += [{"Key": each["Key"]} for each in page.get("Contents", ())]
        for start in range(0, len(keys), AT_ONCE):
            some = {"Objects": keys[start : start + AT_ONCE], "Quiet": True}
            refused = self._call("delete_objects", Delete=some).get("Errors", ())
            if refused:
                raise PlaceError(f"{refused[0].get('Key')}: {refused[0].get('Message')}")

    def _key(self, folder: str, name: str) -> str:
        return f"{self._prefix}{folder}/{name}"

    def _pages(self, **wanted: str) -> list[Any]:
        try:
            pages = self._client.get_paginator("list_objects_v2")
            return list(pages.paginate(Bucket=self._bucket, PaginationConfig={"PageSize": AT_ONCE}, **wanted))
        except self._errors as error:
            raise PlaceError(f"s3://{self._bucket}: {error}") from error

    def _call(self, operation: str, **arguments: Any) -> Any:
        try:
            return getattr(self._client, operation)(Bucket=self._bucket, **arguments)
        except self._errors as error:
            code = getattr(error, "response", {}).get("Error", {}).get("Code", "")
            kind = Missing if code in NOT_FOUND else PlaceError
            raise kind(f"s3://{self._bucket}/{arguments.get('Key', '')}: {error}") from error


def open_bucket(text: str, endpoint_url: str | None) -> Bucket:
    """The place `s3://BUCKET/PREFIX`; nothing is asked yet. Raises `PlaceError`."""
    bucket, _slash, prefix = text.removeprefix("s3://").partition("/")
    if not bucket:
        raise PlaceError(f"{text}: s3://BUCKET/PREFIX is wanted")
    try:
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError, ClientError
        from botocore.session import Session
    except ImportError as error:
        raise PlaceError(EXTRA) from error
    config = Config(
        connect_timeout=CONNECT_S,
        read_timeout=READ_S,
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        # Checksums in trailers are what stores other than AWS's often do not know; the signed body is enough.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        s3={"payload_signing_enabled": True, "addressing_style": "path" if endpoint_url else "auto"},
    )
    errors = (BotoCoreError, ClientError, ValueError)
    try:
        client = Session().create_client("s3", endpoint_url=endpoint_url, config=config)
    except errors as error:
        raise PlaceError(f"{text}: {error}") from error
    return Bucket(client, errors, bucket, prefix.rstrip("/") + "/" if prefix.strip("/") else "")
