"""Where the shards of a cluster on one machine begin, and which processes have them."""

from itertools import pairwise

import pytest

from journal.crossbar import Mark
from journal.record import Commit, Write
from server.catalog.descriptor import FIRST_USER_OID
from server.runtime.region import local_splits
from server.runtime.region.local_cluster import Options, plan_of
from server.runtime.region.local_plan import addresses, shards_of
from storage import keycode
from storage.replica import Replica
from tests.serving_process import opendsql

EAST = "us-east-1"
TABLE = keycode.prefix(1, FIRST_USER_OID)


def fill(data, rows):
    """The replica of the first region's node, after it has ended; each row has as many bytes as its number."""
    path = data / EAST / "node" / "storage"
    path.mkdir(parents=True)
    replica = Replica.open(path)
    writes = [Write(TABLE + number.to_bytes(4, "big"), b"x" * number, 3) for number in range(1, rows + 1)]
    replica.apply([Commit(bytes(16), 1, 2, writes, [])], 1, bytes(32), 2, mark=Mark((), (2, 0, 0, 0), ()))
    replica.close()


def plan(tmp_path, shards, splits=None):
    return plan_of(Options(tmp_path, shards=shards, splits=splits))


def test_shards_of_a_new_cluster_begin_at_its_first_tables(tmp_path):
    first = plan(tmp_path, 3)
    assert first.splits == local_splits.by_tables(3)
    assert first.splits == sorted(first.splits)
    assert all(TABLE < each < keycode.prefix(1, FIRST_USER_OID + 10) for each in first.splits)


def test_rows_are_cut_into_equal_parts_and_stay_so(tmp_path):
    plan(tmp_path, 4)
    fill(tmp_path, 2000)
    found = plan(tmp_path, 4)
    assert found.are_splits_measured
    numbers = [0, *(int.from_bytes(each[-4:], "big") for each in found.splits), 2001]
    sizes = [sum(12 + size for size in range(a, b)) for a, b in pairwise(numbers)]
    assert max(sizes) - min(sizes) < 2 * 2012
    Replica.wipe(tmp_path / EAST / "node" / "storage")
    assert plan(tmp_path, 4).splits == found.splits


def test_few_rows_say_nothing(tmp_path):
    fill(tmp_path, 100)
    found = plan(tmp_path, 2)
    assert (found.splits, found.are_splits_measured) == (local_splits.by_tables(2), False)


def test_what_is_wanted_is_taken(tmp_path):
    fill(tmp_path, 2000)
    assert plan(tmp_path, 2, [b"k"]).splits == [b"k"]
    assert plan(tmp_path, 2).splits == [b"k"]


def test_each_shard_has_replicas_of_its_own_in_each_region(tmp_path):
    options = Options(tmp_path, shards=2, replicas=2, splits=[b"k"])
    made = plan_of(options)
    stores = [each for each in addresses(made, options) if each.roles == ("storage",)]
    assert len({each.port for each in stores}) == 8
    first, second = shards_of(made, options, EAST)
    assert (first.lo, first.hi, second.lo, second.hi) == (b"", b"k", b"k", None)
    names = [*first.replicas, *second.replicas]
    assert sorted(names) == sorted(each.node for each in stores if each.region == EAST)


def test_without_shards_a_regions_node_has_everything(tmp_path):
    options = Options(tmp_path)
    assert shards_of(plan_of(options), options, EAST) == []


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (("--split", "xyz"), "a key in hex"),
        (("--split", "02", "--split", "01"), "keys that rise"),
        (("--split", ""), "none of them empty"),
        (("--shards", "3", "--split", "01"), "3 shards are cut by 2 keys"),
        (("--shards", "17"), "17 is not in the range"),
    ],
    ids=["hex", "order", "empty", "count", "many"],
)
def test_splits_that_make_no_sense_are_usage_errors(tmp_path, options, text):
    done = opendsql("cluster", "--data", str(tmp_path / "data"), *options)
    assert done.returncode == 2
    assert text in done.stderr
