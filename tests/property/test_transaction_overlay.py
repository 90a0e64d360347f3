"""Q1: a transaction reads its snapshot with its own writes on top, in either direction and in parts of any size."""

from hypothesis import given
from hypothesis import strategies as st

from server.catalog.descriptor import Catalog
from server.session.transaction import EXCLUSIVE, NON_KEY, Transaction
from server.sql.limits import Limits

KEYS = st.binary(min_size=1, max_size=2).map(lambda key: bytes(byte % 4 for byte in key))
VALUES = st.binary(max_size=2)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), KEYS, VALUES),
        st.tuples(st.just("delete"), KEYS, st.none()),
        st.tuples(st.just("end"), st.none(), st.none()),
        st.tuples(st.just("view"), st.none(), st.none()),
    ),
    max_size=25,
)
END = b"\xff"


class Rows:
    """A replica that stands still: `server.session.transaction.Versions` over a dictionary."""

    def __init__(self, rows):
        self.rows = rows

    def get(self, key, ts):
        return self.rows.get(key)

    def scan_items(self, lo, hi, ts, limit=256, reverse=False):
        found = sorted(((k, v) for k, v in self.rows.items() if lo <= k < hi), reverse=reverse)
        items, rest = found[:limit], found[limit:]
        if not rest:
            return items, None
        return items, items[-1][0] if reverse else rest[0][0]

    def scan(self, lo, hi, ts, limit=256, reverse=False):
        items, more = self.scan_items(lo, hi, ts, limit, reverse)
        return [value for _key, value in items], more

    def count(self, lo, hi, ts, limit=4096):
        items, more = self.scan_items(lo, hi, ts, limit)
        return len(items), more


def whole(txn, lo, hi, limit, reverse):
    """Everything in [lo, hi), read in parts, by all three kinds of scans."""
    found, values, count = [], [], 0
    low, high = lo, hi
    while low is not None and high is not None:
        items, more = txn.scan_items(low, high, limit, reverse)
        part, same = txn.scan(low, high, limit, reverse)
        assert same == more
        found, values = found + items, values + part
        low, high = (low, more) if reverse else (more, high)
    while lo is not None:
        number, lo = txn.count(lo, hi, limit)
        count += number
    assert values == [value for _key, value in found]
    assert count == len(found)
    return found


@given(st.dictionaries(KEYS, VALUES), STEPS, KEYS, KEYS, st.integers(1, 5), st.booleans())
def test_scans_are_those_of_the_merged_rows(rows, steps, one, other, limit, reverse):
    lo, hi = sorted((one, other))
    txn = Transaction(Rows(rows), Catalog(1, 0, 0, {}, {}, {}, {}, {}, {}, {}), 1, Limits())
    visible, fresh, views = dict(rows), {}, []
    for step, key, value in steps:
        if step == "put":
            txn.put(key, value, NON_KEY)
            fresh[key] = value
        elif step == "delete":
            txn.delete(key, EXCLUSIVE)
            fresh[key] = None
        elif step == "view":
            views.append((txn.view(), dict(visible)))
        else:
            txn.end_statement()
            visible.update(fresh)
            visible = {key: value for key, value in visible.items() if value is not None}
            fresh = {}
        if key is not None:
            assert txn.current(key) == (fresh[key] if key in fresh else visible.get(key))
            assert txn.get(key) == visible.get(key)
    for seen, expected in [(txn, visible), *views]:
        for low, high in ((lo, hi), (b"", END)):
            wanted = sorted((item for item in expected.items() if low <= item[0] < high), reverse=reverse)
            assert whole(seen, low, high, limit, reverse) == wanted


@given(st.lists(st.tuples(KEYS, st.sampled_from([NON_KEY, EXCLUSIVE])), min_size=1))
def test_the_strongest_class_of_a_key_is_sent(writes):
    txn = Transaction(Rows({}), Catalog(1, 0, 0, {}, {}, {}, {}, {}, {}, {}), 1, Limits())
    for key, lock in writes:
        txn.put(key, b"", lock)
        txn.end_statement()
    sent = {write.key: write.lock for write in txn.request(rebase=True).writes}
    assert sent == {key: max(lock for other, lock in writes if other == key) for key, _lock in writes}
