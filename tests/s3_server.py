"""An S3 API on a free loopback port: moto's server, a test double of PyPI that keeps objects in memory.

It speaks the protocol as boto3 does and knows no rights: any credentials are good, signatures are not checked.
"""

import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from botocore.session import Session

BUCKET = "backups"
START_S = 60.0
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "example",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
}


@contextmanager
def running() -> Iterator[str]:
    """The URL of a server with the empty bucket `BUCKET`; ended at the end."""
    command = [sys.executable, "-u", "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"]
    with tempfile.NamedTemporaryFile() as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            url = _url(process, Path(log.name))
            client(url).create_bucket(Bucket=BUCKET)
            yield url
        finally:
            process.kill()
            process.wait()


def _url(process: "subprocess.Popen[bytes]", log: Path) -> str:
    """What the server says once it listens."""
    limit = time.monotonic() + START_S
    while not (found := re.findall(r"http://127\.0\.0\.1:\d+", log.read_text())):
        assert process.poll() is None and time.monotonic() < limit, log.read_text()
        time.sleep(0.02)
    return str(found[0])


def client(url: str) -> Any:
    """Another client, to look and to break things."""
    return Session().create_client(
        "s3",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
    )
