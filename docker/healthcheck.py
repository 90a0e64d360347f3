#!/usr/bin/python3 -IS
"""Whether the server in this container answers: its control socket tells its state, its port offers TLS.

`opendsql status` is not used, because without a server it opens the data directory itself: it would hold the
directory's lock just when a restarting server asks for it. Standard library only: a check costs little.
Exit code 0: healthy, else 1 and one line.
"""

import glob
import json
import socket
import struct
import sys

CONTROL = "/data/control"
CONTROL_IN_MEMORY = "/dev/shm/opendsql-*/control"
WORKING = ("running", "serving")
"""What `opendsql serve` says of itself, and what a region's node does."""
ADDRESS = ("127.0.0.1", 5432)
SSL_REQUEST = struct.pack("!ii", 8, 80877103)
TIMEOUT_S = 3.0


def state() -> str:
    """What the node says of itself over the control socket; raises OSError, ValueError."""
    (path,) = glob.glob(CONTROL_IN_MEMORY) or [CONTROL]
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(TIMEOUT_S)
        connection.connect(path)
        connection.sendall(b'{"type":"status"}\n')
        with connection.makefile("rb") as answer:
            reply = json.loads(answer.readline())
    return str(reply["line"]["state"]) if "line" in reply else str(reply.get("error"))


def offers_tls() -> bool:
    """Whether the listener answers an SSLRequest (PostgreSQL chapter 55.2.10); raises OSError."""
    with socket.create_connection(ADDRESS, TIMEOUT_S) as connection:
        connection.sendall(SSL_REQUEST)
        return connection.recv(1) == b"S"


def main() -> int:
    """The exit code."""
    try:
        found = state()
        if found in WORKING and offers_tls():
            return 0
        problem = f"state {found}"
    except (OSError, ValueError) as error:
        problem = str(error)
    sys.stdout.write(f"{problem}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
