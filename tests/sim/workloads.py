"""What clients do. A transaction is a generator: it yields keys to read, a pause, or a `WriteSet`.

Keys are spread so that the three first owners, [.., h), [h, q) and [q, ..), share most transactions.
"""

from typing import NamedTuple

from adjudicator.messages import Committed
from adjudicator.protocol import Check, Marker
from journal.record import MARKERS, Lock, LockClass, Write
from server.session.coordinator import WriteSet
from tests.sim.world import MS

LO, HI = b"", b"\xf0"
MARKER = MARKERS + b"accounts"
ACCOUNTS = (b"a0", b"a1", b"k0", b"k1", b"t0", b"t1")
RING = (b"b0", b"l0", b"u0")
REGISTERS = (b"f-r", b"o-r", b"x-r")
LISTS = (b"d-l", b"n-l", b"w-l")
SKEW = (b"b-s", b"m-s")
FENCED = (b"c-f", b"v-f")
PARENT = b"p-parent"
CHILDREN = (b"c-child", b"j-child", b"z-child")
CATALOG = b"A-catalog"
HOT = b"e-hot"
LEDGER = b"a-ledger"
LEDGER_MARKER = MARKERS + b"ledger"
LEDGER_TABLE = (b"a-", b"a.")

TABLE, BY_COLOUR, UNIQUE = b"i-row/", b"o-colour/", b"y-number/"
ROWS = (TABLE + b"0", TABLE + b"1", TABLE + b"2")
COLOURS = (b"red", b"green")

N, E, K, BLIND = LockClass.NON_KEY, LockClass.EXCLUSIVE, LockClass.KEY_SHARE, LockClass.BLIND


class Range(NamedTuple):
    """A scan; `pushed`: see `rows.Filters`."""

    lo: bytes
    hi: bytes
    limit: int = 0
    pushed: bytes = b""
    reverse: bool = False


class Running:
    """A transaction on its way."""

    def __init__(self, client, kind, start_ts, began):
        self.client = client
        self.kind = kind
        self.start_ts = start_ts
        self.began = began
        self.steps = None
        self.reader = None
        self.rows = []
        """Of the scan under way."""
        self.reads = {}
        self.is_logged = False


class Client:
    """One session: transactions one after the other, kinds by chance."""

    def __init__(self, cluster, number, chance):
        self.name = f"client{number}"
        self.last_ts = 0
        self.chance = chance
        self._cluster = cluster
        self._number = number
        self._count = 0

    def next_transaction(self, start_ts, began):
        self._count += 1
        kind = self.chance.pick(self._cluster.kinds)
        running = Running(self, kind.__name__, start_ts, began)
        running.steps = kind(self, running)
        return running

    def txid(self):
        self._count += 1
        return self._number.to_bytes(8, "big") + self._count.to_bytes(8, "big")

    def write_set(self, running, writes, **more):
        return WriteSet(self.txid(), running.start_ts, writes, **more)

    def saw(self, kind, running, values):
        self._cluster.tell("on_observation", kind, self.name, running.start_ts, values)


def transfer(client, running):
    """Bank: from one account to another, usually of another owner."""
    source, target = client.chance.pick(ACCOUNTS), client.chance.pick(ACCOUNTS)
    if source == target:
        return
    rows = yield (source, target)
    amount = client.chance.between(1, 100)
    writes = [
        Write(source, b"%d" % (int(rows[source] or 0) - amount), N),
        Write(target, b"%d" % (int(rows[target] or 0) + amount), N),
    ]
    yield client.write_set(running, writes, checks=[Check(MARKER, source), Check(MARKER, target)])


def audit(client, running):
    """Bank: all accounts in one snapshot; nothing to commit."""
    rows = yield ACCOUNTS
    client.saw("bank", running, rows)


def rotate(client, running):
    """Ring (FoundationDB's cycle): three cells hand their values round."""
    rows = yield RING
    values = [rows[key] or key for key in RING]
    client.saw("ring", running, dict(zip(RING, values)))
    writes = [Write(key, value, N) for key, value in zip(RING, [*values[1:], values[0]])]
    yield client.write_set(running, writes)


def register(client, running):
    """Read, and write without regard to what was read."""
    key = client.chance.pick(REGISTERS)
    yield (key,)
    yield client.write_set(running, [Write(key, client.txid(), N)])


def append(client, running):
    """List-append: one or two lists grow by one element."""
    keys = LISTS if client.chance.permille(300) else (client.chance.pick(LISTS),)
    rows = yield keys
    client.saw("list", running, rows)
    element = b"%d.%d" % (client._number, client._count)
    writes = [Write(key, (rows[key] + b"," if rows[key] else b"") + element, N) for key in keys]
    yield client.write_set(running, writes)


def insert(client, running):
    """Unique ids: every insert has its own key; two clients may want the same."""
    key = b"g-u%d" % client.chance.below(1000)
    rows = yield (key,)
    if rows[key] is None:
        result = yield client.write_set(running, [Write(key, client.name.encode(), E)])
        if isinstance(result, Committed):
            client.saw("unique", running, {key: client.name.encode()})


def skew(client, running):
    """Two cells of which one should stay up: each transaction takes one down after looking at both."""
    yield from _skew(client, running, SKEW, "skew")


def fenced(client, running):
    """The same with SELECT ... FOR UPDATE of the cell that is not written."""
    yield from _skew(client, running, FENCED, "fenced")


def _skew(client, running, pair, kind):
    rows = yield pair
    client.saw(kind, running, rows)
    down = [key for key in pair if rows[key] == b"0"]
    if down:
        writes = [Write(key, b"1", N) for key in down]
        yield client.write_set(running, writes)
        return
    mine = client.chance.pick(pair)
    locks = [Lock(key, E) for key in pair if key != mine] if kind == "fenced" else []
    yield client.write_set(running, [Write(mine, b"0", N)], locks=locks)


def foreign_key(client, running):
    """Children lock their parent FOR KEY SHARE; a parent without children may go."""
    rows = yield (PARENT, *CHILDREN)
    client.saw("fk", running, rows)
    children = [key for key in CHILDREN if rows[key] is not None]
    if rows[PARENT] is None:
        yield client.write_set(running, [Write(PARENT, b"p", E)])
    elif not children and client.chance.permille(500):
        yield client.write_set(running, [Write(PARENT, None, E)])
    else:
        child = client.chance.pick(CHILDREN)
        if rows[child] is None:
            yield client.write_set(running, [Write(child, b"c", E)], locks=[Lock(PARENT, K)])
        else:
            yield client.write_set(running, [Write(child, None, E)])


def indexed(client, running):
    """A table with a unique and an ordinary index: the row moves to another colour and another number."""
    row = client.chance.pick(ROWS)
    colour, number = client.chance.pick(COLOURS), b"%d" % client.chance.below(6)
    rows = yield (row, UNIQUE + number)
    old = rows[row]
    if rows[UNIQUE + number] not in (None, row):
        return
    writes = []
    if old is not None:
        old_colour, old_number, _txid = old.split(b"/")
        writes.append(Write(BY_COLOUR + old_colour + b"/" + row, None, BLIND))
        if old_number != number:
            writes.append(Write(UNIQUE + old_number, None, E))
    if old is not None and client.chance.permille(200):
        if old_number == number:
            writes.append(Write(UNIQUE + number, None, E))
        yield client.write_set(running, [Write(row, None, E), *writes])
        return
    if old is None or old_number != number:
        writes.append(Write(UNIQUE + number, row, E))
    entry = Write(BY_COLOUR + colour + b"/" + row, row, BLIND)
    writes = [each for each in writes if each.key != entry.key]
    value = b"/".join((colour, number, client.txid().hex().encode()))
    yield client.write_set(running, [Write(row, value, N), *writes, entry])


def index_audit(client, running):
    """Rows and entries of both indexes, by scans at one time."""
    found = {}
    for prefix in (TABLE, BY_COLOUR, UNIQUE):
        rows = yield Range(prefix, prefix + b"\xff")
        found.update((key, value) for key, _ts, value in rows)
    client.saw("index", running, found)


def range_reader(client, running):
    """The same range in several ways, all at one time: whole, counted, filtered, its beginning; and again later."""
    span = client.chance.pick(((b"a", b"e"), (b"h", b"p"), (LO, HI)))
    rows = yield Range(*span)
    counts = yield Range(*span, pushed=b"#")
    if sum(int(value) for _key, _ts, value in counts) != len(rows):
        client.saw("phantom", running, {})
    limit = client.chance.between(1, 4)
    first = yield Range(*span, limit=limit)
    if first != rows[:limit]:
        client.saw("phantom", running, dict.fromkeys(each[0] for each in first))
    last = yield Range(*span, limit=limit, reverse=True)
    if last != rows[::-1][:limit]:
        client.saw("phantom", running, dict.fromkeys(each[0] for each in last))
    prefix = client.chance.pick(COLOURS)
    filtered = yield Range(*span, limit=client.chance.pick((0, 1)), pushed=prefix)
    if any(row not in rows for row in filtered):
        client.saw("phantom", running, dict.fromkeys(each[0] for each in filtered))
    if client.chance.permille(300):
        yield client.chance.between(50, 400) * MS
        again = yield Range(*span)
        if again != rows:
            client.saw("phantom", running, dict.fromkeys(each[0] for each in again))


def edge_reader(client, running):
    """A reader as old as a transaction may get, or older: it gets its snapshot, or is refused."""
    rows = yield (*REGISTERS, HOT)
    yield client.chance.between(1200, 1900) * MS
    again = yield (*REGISTERS, HOT)
    if again != rows:
        client.saw("phantom", running, again)
    yield client.write_set(running, [Write(REGISTERS[0], client.txid(), N)])


def hot_row(client, running):
    """Everybody wants this one."""
    rows = yield (HOT,)
    yield client.write_set(running, [Write(HOT, b"%d" % (int(rows[HOT] or 0) + 1), N)])


def long_reader(client, running):
    """Looks, waits, looks again at the same time, and writes."""
    rows = yield ACCOUNTS
    client.saw("bank", running, rows)
    yield client.chance.between(100, 1200) * MS
    again = yield ACCOUNTS
    client.saw("bank", running, again)
    account = client.chance.pick(ACCOUNTS)
    writes = [Write(account, rows[account] or b"0", N)]
    yield client.write_set(running, writes, checks=[Check(MARKER, account)])


def schema_change(client, running):
    """ALTER TABLE: the one catalog row, and the table's marker with every owner."""
    if not client.chance.permille(300):
        return
    yield (CATALOG,)
    writes = [Write(CATALOG, client.txid(), E)]
    yield client.write_set(running, writes, markers=[Marker(MARKER, LO, HI)])


def ledger(client, running):
    """Two tables: the one whose schema may change, and another, whose owner decides if it is another."""
    register = client.chance.pick(REGISTERS[1:])
    keys = (LEDGER, register, register + b"2")
    yield keys
    writes = [Write(key, client.txid(), N) for key in keys]
    yield client.write_set(running, writes, checks=[Check(LEDGER_MARKER, LEDGER)])


def ledger_change(client, running):
    """ALTER TABLE of a table that one owner has."""
    yield (CATALOG,)
    writes = [Write(CATALOG, client.txid(), E)]
    yield client.write_set(running, writes, markers=[Marker(LEDGER_MARKER, *LEDGER_TABLE)])


def lock_only(client, running):
    """FOR UPDATE of two rows and nothing else."""
    yield (ACCOUNTS[0], ACCOUNTS[3])
    yield client.write_set(running, [], locks=[Lock(ACCOUNTS[0], E), Lock(ACCOUNTS[3], E)])


KINDS = (
    transfer,
    transfer,
    transfer,
    audit,
    rotate,
    register,
    append,
    append,
    insert,
    skew,
    skew,
    fenced,
    foreign_key,
    foreign_key,
    indexed,
    indexed,
    index_audit,
    range_reader,
    edge_reader,
    hot_row,
    long_reader,
    schema_change,
    ledger,
    ledger_change,
    lock_only,
)
