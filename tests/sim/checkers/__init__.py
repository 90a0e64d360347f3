"""One small module per invariant; all of them see everything, after every step.

The list is AR §2, as DESIGN §10 amends it. Where each is checked, or why it has no checker here:

    C1   no checker: it is the fault. `clock` breaks the bound in some runs on purpose, `Cluster.is_bounded` says so
    C2   `clock`, by construction; SimClock is not part of the product       C3   drift
    J1 J2 J4 J5 J6   journal_order                                           J3   acknowledged
    J7   trims                                                               J8   stream
    A1   ownership                          A2   journal_order               A3   closed_times
    A4   first_committer                    A5   conflict_memory: a floor too low is knowledge that is missing
    A6   conflict_memory                    A7   promised_times              A8   in_doubt
    A9   one_record                         A10  `Cluster._check_quiet`      A11  true_aborts
    X1   stream                             X2 X3 completeness
    S1   snapshot_reads, ranges             S2   snapshot_reads, ranges: every answer is what the journals say of its
         time, so no part of a transaction is ever seen without the rest
    S3   replicas                           S4   snapshot_reads, ranges      S5   snapshots
    S6   replicas, snapshots: a newest version that is gone is a row that is missing
    S7   index
    Q1   one_snapshot; own writes on top: no checker, `session.transaction` overlays them and is not part of this
    Q2   judged, for the age; rows and bytes are counted by `session.transaction`, which is not part of this
    Q3   real_time                          Q4   acknowledged                Q5   true_aborts
    Q6   judged
    K1   schema                             K2   first_committer: schema changes write one catalog row
    K3   no checker: backfills are jobs of the server (server/runtime/job_work.py), which is not part of this
    F1   promised_times                     F2   `Cluster._check_quiet`, `Stage.check_owned`
    R P  regions, suspended sessions: no checker, they are not part of this
    H1   client_history, ranges             H2   list_append (tests.sim.elle), write_skew must be seen
    H3   real_time, and list_append in real time
    H4   bank_total, ring, unique, foreign_keys; sequences are not part of this
    H5   no checker: Hermitage's table is a golden script of the server

Most look after every step at what is new; replicas, index, client_history and list_append sweep at the end, when all
is quiet, and snapshots whenever one is cut. Each has a corrupted world that it refuses in test_checkers.py or
test_elle.py, or a rule in mutants.py whose absence it finds.
"""

from tests.sim.checkers.acknowledged import Acknowledged
from tests.sim.checkers.bank_total import BankTotal
from tests.sim.checkers.base import Checker, History, Observers, Violation
from tests.sim.checkers.client_history import ClientHistory
from tests.sim.checkers.closed_times import ClosedTimes
from tests.sim.checkers.completeness import Completeness
from tests.sim.checkers.conflict_memory import ConflictMemory
from tests.sim.checkers.drift import Drift
from tests.sim.checkers.first_committer import FirstCommitter
from tests.sim.checkers.foreign_keys import ForeignKeys
from tests.sim.checkers.in_doubt import InDoubt
from tests.sim.checkers.index import Index
from tests.sim.checkers.journal_order import JournalOrder
from tests.sim.checkers.judged import Judged
from tests.sim.checkers.list_append import ListAppend
from tests.sim.checkers.one_record import OneRecord
from tests.sim.checkers.one_snapshot import OneSnapshot
from tests.sim.checkers.ownership import Ownership
from tests.sim.checkers.promised_times import PromisedTimes
from tests.sim.checkers.ranges import Ranges
from tests.sim.checkers.real_time import RealTime
from tests.sim.checkers.replicas import Replicas
from tests.sim.checkers.ring import Ring
from tests.sim.checkers.schema import Schema
from tests.sim.checkers.snapshot_reads import SnapshotReads
from tests.sim.checkers.snapshots import Snapshots
from tests.sim.checkers.stream import Stream
from tests.sim.checkers.trims import Trims
from tests.sim.checkers.true_aborts import TrueAborts
from tests.sim.checkers.unique import Unique
from tests.sim.checkers.write_skew import WriteSkew

ALL = (
    JournalOrder,
    ClosedTimes,
    FirstCommitter,
    OneRecord,
    PromisedTimes,
    Ownership,
    Completeness,
    SnapshotReads,
    Replicas,
    Acknowledged,
    TrueAborts,
    RealTime,
    Schema,
    BankTotal,
    ListAppend,
    ForeignKeys,
    Ring,
    Unique,
    WriteSkew,
    ConflictMemory,
    InDoubt,
    Stream,
    Drift,
    Trims,
    Snapshots,
    Judged,
    Ranges,
    Index,
    OneSnapshot,
    ClientHistory,
)

__all__ = ["ALL", "Checker", "Drift", "History", "Observers", "Violation"]
