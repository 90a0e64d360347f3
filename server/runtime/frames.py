"""What the processes of one node say to each other, and how it is framed (DESIGN §11).

    frame      message (msgpack: tag, fields), as in server.runtime.framing
    worker     Accepting, Submit, WaitForJob, Cancel, Entered, Left, ConflictLost, Asked, RunningAre, Report
                 ──▶  main
               ◀──  Configure, Committed, Refused, JobEnded, Cancel, Entered, Left, Stop, Serving, Told, TellRunning

Both ends are the same program, so a frame that cannot be read is a defect of the process that sent it.
"""

from typing import TypeAlias

import msgspec

from adjudicator.messages import Aborted, CommitRequest
from server.pgwire.connection import Counters
from server.pgwire.sigv4 import Trust
from server.runtime.hosting import Entered
from server.sql.limits import Limits
from server.testing.conflicts import Lost
from server.testing.desk import Observed, Request, Running
from server.testing.injections import Fault

OVERHEAD = 1 << 20
"""What a frame may have beyond the bytes that count for a transaction's limit: names of tables it used."""


class Left(msgspec.Struct, frozen=True, array_like=True, tag=2):
    """A session has ended."""

    process_id: int


class Cancel(msgspec.Struct, frozen=True, array_like=True, tag=3):
    """A cancel request for a session of another process."""

    process_id: int
    secret: bytes


class Accepting(msgspec.Struct, frozen=True, array_like=True, tag=4):
    """The process takes clients. `version`: of the program that it runs, which may be newer than the node's."""

    version: str = ""


class Submit(msgspec.Struct, frozen=True, array_like=True, tag=5):
    """A transaction wants to commit; `size` in bytes, as counted for its limit."""

    number: int
    request: CommitRequest
    size: int


class WaitForJob(msgspec.Struct, frozen=True, array_like=True, tag=6):
    """A session of the worker waits for a job; `JobEnded` answers."""

    number: int
    cluster: int
    job_id: str
    is_submitted: bool
    """The session has just committed it."""


class ConflictLost(msgspec.Struct, frozen=True, array_like=True, tag=7):
    """A session of the worker has lost a commit."""

    lost: Lost


class Asked(msgspec.Struct, frozen=True, array_like=True, tag=8):
    """A session of the worker asks the node's desk; `Told` or `Refused` answers."""

    number: int
    request: Request


class RunningAre(msgspec.Struct, frozen=True, array_like=True, tag=9):
    """What `TellRunning` wants to know."""

    number: int
    running: list[Running]


class Report(msgspec.Struct, frozen=True, array_like=True, tag=10):
    """What the process counts, since its start."""

    busy_s: float
    """Of its event loop's thread."""
    begun: int
    """Transactions."""
    open_transactions: int
    waited: int
    """In a region: transactions whose time was not complete when they began."""
    refused: int
    """In a region: statements that got 57P03."""
    connections: Counters


class Configure(msgspec.Struct, frozen=True, array_like=True, tag=16):
    """The first thing that a worker is told, on the socket: no secret is on a command line."""

    index: int
    default_cluster: int
    data: str
    host: str
    port: int
    auth: str
    tls_required: bool
    tls_names: tuple[str, ...]
    admin_verifier: str | None
    trust: Trust | None
    mock_secret: bytes
    rebase: bool
    limits: Limits
    regional: bytes = b""
    """Of a region's worker: what `server.runtime.region.worker` decodes."""
    surface: str | None = None
    """The day whose DSQL it is; None: the newest."""
    session_defaults: dict[str, str] = {}
    """What sessions' settings are where it is not DSQL's default."""


class Committed(msgspec.Struct, frozen=True, array_like=True, tag=17):
    """Durable and visible."""

    number: int
    commit_ts: int


class Refused(msgspec.Struct, frozen=True, array_like=True, tag=18):
    """What `Committed` is not: an error for the client."""

    number: int
    sqlstate: str
    message: str
    severity: str
    detail: str | None = None
    hint: str | None = None
    verdict: Aborted | None = None
    """Why a commit was refused."""


class JobEnded(msgspec.Struct, frozen=True, array_like=True, tag=19):
    """The job that `WaitForJob` named has ended."""

    number: int
    is_completed: bool


class Stop(msgspec.Struct, frozen=True, array_like=True, tag=20):
    """Shut down: running statements get `grace_s` seconds."""

    grace_s: float


class Serving(msgspec.Struct, frozen=True, array_like=True, tag=21):
    """In a region: why no transaction may begin from now on; empty: it may."""

    reason: str


class Told(msgspec.Struct, frozen=True, array_like=True, tag=22):
    """The desk's answer to `Asked`: one of these, or nothing."""

    number: int
    fault: Fault | None = None
    count: int | None = None
    observed: Observed | None = None


class TellRunning(msgspec.Struct, frozen=True, array_like=True, tag=23):
    """Which transactions are open there? `RunningAre` answers."""

    number: int


ToMain: TypeAlias = (
    Accepting | Submit | WaitForJob | Cancel | Entered | Left | ConflictLost | Asked | RunningAre | Report
)
ToWorker: TypeAlias = (
    Configure | Committed | Refused | JobEnded | Cancel | Entered | Left | Stop | Serving | Told | TellRunning
)

decode_to_main = msgspec.msgpack.Decoder(ToMain).decode
decode_to_worker = msgspec.msgpack.Decoder(ToWorker).decode
