"""One small module per invariant; all of them see everything, after every step."""

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
from tests.sim.checkers.list_append import ListAppend
from tests.sim.checkers.one_record import OneRecord
from tests.sim.checkers.one_snapshot import OneSnapshot
from tests.sim.checkers.ownership import Ownership
from tests.sim.checkers.promised_times import PromisedTimes
from tests.sim.checkers.ranges import Ranges
from tests.sim.checkers.read_only import ReadOnly
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
    ReadOnly,
    Ranges,
    Index,
    OneSnapshot,
    ClientHistory,
)

__all__ = ["ALL", "Checker", "Drift", "History", "Observers", "Violation"]
