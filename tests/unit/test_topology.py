"""`topology.toml`: what is read, what is wrong and where, what one machine's cluster looks like."""

import itertools
import subprocess
from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import pytest

from server.runtime.clocks.choice import ClockChoice, make
from server.runtime.clocks.sources import ChronyClock, ClockBoundClock, ConstantClock, SharedClock
from server.runtime.net.identity import Identity, load_issued
from server.runtime.topology import one_machine
from server.runtime.topology.model import Passwords, Topology
from server.runtime.topology.reading import BadTopology, load, parse
from tests.serving_process import opendsql

BASE = Path("/srv/bank")

FILE = """
cluster = "bank"

[clock]
source = "chrony"
limit_ms = 20

[passwords]
admin = "BANK_PASSWORD"
etcd = "BANK_ETCD"

[[region]]
name = "us-east-1"

[[region]]
name = "us-west-2"
role = "active"
[region.clock]
source = "clockbound"
path = "shm0"

[[region]]
name = "us-east-2"
role = "witness"

[[node]]
id = "e1"
region = "us-east-1"
host = "db1.example.com"
port = 7401
clients = 5432
roles = ["router", "query", "adjudicator", "storage"]

[[node]]
id = "w1"
region = "us-west-2"
host = "db2.example.com"
port = 7401
clients = 5432
roles = ["router", "query", "adjudicator", "storage"]

[[node]]
id = "w2"
region = "us-west-2"
host = "db3.example.com"
port = 7401
roles = ["storage"]
clock = { source = "constant", bound_ms = 5 }

[[journal]]
number = 1
leader = "us-east-1"
[journal.etcd]
us-east-1 = "https://db1.example.com:2379"
us-west-2 = "https://db2.example.com:2379"
us-east-2 = "https://wit.example.com:2379"

[[journal]]
number = 2
leader = "us-west-2"
[journal.etcd]
us-east-1 = "https://db1.example.com:3379"
us-west-2 = "https://db2.example.com:3379"
us-east-2 = "https://wit.example.com:3379"

[[shard]]
low = ""
journal = 1
replicas = { us-east-1 = ["e1"], us-west-2 = ["w1", "w2"] }

[[shard]]
low = "00000001ff"
journal = 2
replicas = { us-east-1 = ["e1"], us-west-2 = ["w2"] }

[[distance]]
between = ["us-east-1", "us-west-2"]
ms = 60
"""


def test_a_file_is_read_whole():
    found = parse(FILE, BASE)
    assert found.cluster == "bank"
    assert found.active_regions == ("us-east-1", "us-west-2")
    assert (found.witness, found.region_names[2]) == ("us-east-2", "us-east-2")
    assert [node.id for node in found.nodes_of("us-west-2", "storage")] == ["w1", "w2"]
    assert (found.node("e1").clients, found.node("w2").clients) == (5432, None)
    assert found.journals[1].etcd["us-east-2"] == "https://wit.example.com:3379"
    assert [(shard.low, shard.high, shard.journal) for shard in found.shards] == [
        (b"", b"\0\0\0\1\xff", 1),
        (b"\0\0\0\1\xff", None, 2),
    ]
    assert found.shards[0].replicas["us-west-2"] == ("w1", "w2")
    assert found.certificates == BASE / "certificates"
    assert found.passwords == Passwords("BANK_PASSWORD", "BANK_ETCD")
    assert (found.distances[0].between, found.distances[0].ms) == (("us-east-1", "us-west-2"), 60)
    assert found.addresses()[2] == (Identity("bank", "us-west-2", "w2"), "db3.example.com", 7401)
    with pytest.raises(KeyError):
        found.node("nobody")
    with pytest.raises(FrozenInstanceError):
        found.cluster = "shop"  # type: ignore[misc]


def test_a_node_has_its_own_clock_or_its_regions_or_everybodys():
    found = parse(FILE, BASE)
    choices = {node.id: found.clock_of(node) for node in found.nodes}
    assert choices["e1"] == ClockChoice("chrony", limit_ms=20)
    assert choices["w1"] == ClockChoice("clockbound", path=BASE / "shm0")
    assert choices["w2"] == ClockChoice("constant", bound_ms=5)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        # what the reader finds
        ('cluster = "bank"', "cluster =", "line 2"),
        ('cluster = "bank"\n', "", "cluster must be a name"),
        ('cluster = "bank"', "cluster = 7", "cluster must be a string, not 7"),
        ("limit_ms = 20", "limit = 20", "clock: limit is not known here"),
        ("limit_ms = 20", 'limit_ms = "20"', "clock: limit_ms must be a number, not '20'"),
        ("limit_ms = 20", "limit_ms = true", "clock: limit_ms must be a number, not True"),
        ('source = "chrony"', 'source = "ntp"', "clock: source must be one of clockbound, chrony"),
        ('[clock]\nsource = "chrony"\n', "[clock]\n", "clock: source is missing"),
        ('admin = "BANK_PASSWORD"', 'password = "secret"', "passwords: password is not known here"),
        ('role = "witness"', 'role = "observer"', "line 22: region 3: role must be one of active, witness"),
        ('id = "w1"\n', "", "line 34: node 2: id is missing"),
        ("port = 7401\nclients", "port = true\nclients", "line 26: node 1: port must be a whole number"),
        ('roles = ["storage"]', 'roles = ["store"]', "line 42: node 3: roles must be some of router, query"),
        ('roles = ["storage"]', 'roles = "storage"', "node 3: roles must be a list"),
        ("bound_ms = 5 }", "bound = 5 }", "node 3: clock: bound is not known here"),
        ('{ us-east-1 = ["e1"], us-west-2 = ["w2"] }', '{ us-east-1 = "e1" }', "must be a list of node ids"),
        ("00000001ff", "0001f", "line 71: shard 2: low must be hexadecimal digits, not '0001f'"),
        ('between = ["us-east-1", "us-west-2"]', 'between = ["us-east-1"]', "distance 1: between must be two"),
        ("[[distance]]", "[distance]", "distance must be a list"),
        ("[[distance]]", "[[distances]]", "distances is not known here"),
        # what the rules find
        ('cluster = "bank"', 'cluster = "Bank"', "cluster must be a name of small letters"),
        ("BANK_ETCD", "BANK-ETCD", "passwords: etcd must be the name of an environment variable"),
        ('name = "us-east-2"', 'name = "us-east-1"', "line 22: region 3: name 'us-east-1' is there already"),
        ('name = "us-east-2"', 'name = "US"', "region 3: name must be of small letters"),
        ('role = "witness"', 'role = "active"', "here are 3 active and 0 witness"),
        ('role = "active"', 'role = "witness"', "here are 1 active and 2 witness"),
        ('id = "w2"', 'id = "w1"', "line 42: node 3: id 'w1' is there already"),
        ('id = "w2"', 'id = "w 2"', "node 3: id must be of small letters"),
        ('id = "w2"\nregion = "us-west-2"', 'id = "w2"\nregion = "eu"', "node 3: there is no region 'eu'"),
        ('id = "w2"\nregion = "us-west-2"', 'id = "w2"\nregion = "us-east-2"', "is the witness"),
        ('"db3.example.com"', '""', "node 3: host is empty"),
        ("port = 7401\nclients = 5432", "port = 70000\nclients = 5432", "port must be 1 to 65535, not 70000"),
        ("port = 7401\nclients = 5432", "port = 7401\nclients = 0", "clients must be 1 to 65535, not 0"),
        ("port = 7401\nclients = 5432", "port = 7401", "node 1: a router, and nobody else, needs clients"),
        ('roles = ["storage"]', 'roles = ["storage"]\nclients = 5433', "node 3: a router, and nobody else"),
        ('roles = ["storage"]', "roles = []", "node 3: roles is empty"),
        ('roles = ["storage"]', 'roles = ["storage", "storage"]', "node 3: a role is there twice"),
        ('roles = ["router", "query", "adjudicator", "storage"]', 'roles = ["router", "storage"]', "has no query"),
        ('"db3.example.com"', '"db2.example.com"', "db2.example.com:7401 is taken by line 34: node 2: port"),
        ("db1.example.com:3379", "db1.example.com:2379", "2379 is taken by line 50: journal 1: etcd.us-east-1"),
        ("db1.example.com:2379", "db1.example.com:5432", "is taken by line 26: node 1: clients"),
        ("number = 2", "number = 1", "line 58: journal 2: number 1 is there already"),
        ("number = 2", "number = -1", "journal 2: number must be 0 or more"),
        ("number = 2\n", "", "journal 2: number is missing"),
        ("number = 2\n", "number = 2\nquota_mib = 63\n", "journal 2: quota_mib must be 64 or more, not 63"),
        ('leader = "us-west-2"', 'leader = "us-east-2"', "journal 2: leader must be an active region"),
        ('us-east-2 = "https://wit.example.com:3379"\n', "", "journal 2: etcd has no member in region 'us-east-2'"),
        ("us-east-2 = \"https://wit.example.com:3379\"", 'eu = "http://a:1"', "etcd: there is no region 'eu'"),
        ("https://db2.example.com:3379", "db2:3379", "etcd.us-west-2 must be http(s)://HOST:PORT, not 'db2:3379'"),
        ("https://db2.example.com:3379", "https://u:p@db2:3379", "etcd.us-west-2 must be http(s)"),
        ("https://db2.example.com:3379", "https://db2:x", "etcd.us-west-2 must be http(s)"),
        ('low = ""', 'low = "00"', "line 66: shard 1: the first one must begin at"),
        ('low = "00000001ff"', 'low = ""', "shard 2: low must be above ''"),
        ("journal = 2", "journal = 3", "shard 2: there is no journal 3"),
        ('us-west-2 = ["w2"]', "us-west-2 = []", "shard 2: replicas has no node in region 'us-west-2'"),
        ('us-west-2 = ["w2"]', 'us-west-2 = ["w2", "w2"]', "shard 2: replicas.us-west-2: 'w2' is there twice"),
        ('us-west-2 = ["w2"]', 'us-west-2 = ["e1"]', "'e1' is not a storage node there"),
        ('us-west-2 = ["w2"]', 'us-west-2 = ["w2"], us-east-2 = []', "'us-east-2' is not an active region"),
        ('"us-west-2"]\nms', '"us-east-1"]\nms', "distance 1: between must be two regions"),
        ('"us-west-2"]\nms', '"eu"]\nms', "distance 1: there is no region 'eu'"),
        ("ms = 60", "ms = -1", "distance 1: ms must be 0 to"),
        ("limit_ms = 20", "limit_ms = 0", "clock: limit_ms must be above 0"),
        ("limit_ms = 20", "limit_ms = inf", "clock: limit_ms must be above 0"),
        ("limit_ms = 20", "limit_ms = 20\nbound_ms = 1", "clock: bound_ms is for source"),
        ("limit_ms = 20", "limit_ms = 20\ndrift_ppm = -1", "clock: drift_ppm must be"),
        ("limit_ms = 20", "limit_ms = 20\nport = 0", "clock: port must be"),
        ("bound_ms = 5", "bound_ms = 51", "node 3: clock: bound_ms must be 0 to limit_ms"),
        (', bound_ms = 5', "", "node 3: clock: bound_ms is for source"),
        ('path = "shm0"', 'directory = "run"', "region 2: clock: directory is for source"),
        ('{ source = "constant", bound_ms = 5 }', '{ source = "shared", directory = "run" }', "shared means one"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_place(old, new, problem):
    assert old in FILE
    with pytest.raises(BadTopology) as found:
        parse(FILE.replace(old, new, 1), BASE)
    assert problem in str(found.value)


@pytest.mark.parametrize("kind", ["region", "node", "journal", "shard"])
def test_parts_that_are_missing_altogether(kind):
    pieces = FILE.split(f"\n[[{kind}]]")
    last = pieces[-1].partition("\n\n[[")
    rest = f"\n\n[[{last[2]}" if last[2] else ""
    with pytest.raises(BadTopology, match=kind):
        parse(pieces[0] + rest, BASE)


def test_all_mistakes_are_told_at_once():
    text = FILE.replace('role = "witness"', 'role = "x"').replace("number = 2", "number = []")
    with pytest.raises(BadTopology) as found:
        parse(text, BASE)
    assert len(found.value.problems) == 2


def machine(**options) -> Topology:
    ports = itertools.count(9000)
    given = {"rtt_ms": 60.0, **options}
    regions = given.pop("regions", ("us-east-1", "us-west-2"))
    witness = given.pop("witness", "us-east-2")
    return one_machine.make("local", regions, witness, BASE, lambda: next(ports), **given)


@pytest.mark.parametrize(
    "topology",
    [
        machine(),
        machine(queries=3, stores=2, splits=[b"\0\0\0\1", b"\x80"], clients=(5432, 5433)),
        machine(regions=("solo",), witness=None, rtt_ms=0.0),
        parse(FILE, BASE),
        replace(parse(FILE, BASE), certificates=BASE / 'a "b" \\ ü\x7f\n'),
    ],
)
def test_what_is_written_is_read_back(topology):
    assert parse(one_machine.to_toml(topology), BASE) == topology


def test_one_machine():
    found = machine(queries=3, stores=2, splits=[b"\x80"], clients=(5432, 5433))
    assert [node.id for node in found.nodes][:3] == ["us-east-1-1", "us-east-1-2", "us-east-1-3"]
    assert [node.roles for node in found.nodes][1:3] == [("query", "storage"), ("query",)]
    assert [node.clients for node in found.nodes] == [5432, None, None, 5433, None, None]
    assert [journal.leader for journal in found.journals] == ["us-east-1", "us-west-2"]
    assert [shard.journal for shard in found.shards] == [0, 1]
    assert found.shards[0].replicas["us-west-2"] == ("us-west-2-1", "us-west-2-2")
    assert len(found.distances) == 3
    assert found.clock == ClockChoice("shared", directory=BASE)
    with pytest.raises(ValueError, match="argument"):
        machine(clients=(5432,))


def test_clocks_are_made_as_chosen(tmp_path):
    assert isinstance(make(ClockChoice("clockbound")), ClockBoundClock)
    assert isinstance(make(ClockChoice("chrony")), ChronyClock)
    assert isinstance(make(ClockChoice("constant", bound_ms=1.5)), ConstantClock)
    assert isinstance(make(ClockChoice("shared", directory=tmp_path)), SharedClock)
    interval = make(ClockChoice("constant", bound_ms=1.5)).now()
    assert interval.latest - interval.earliest == 3_000_000
    ahead = make(ClockChoice("constant", bound_ms=1.5, error_ms=5000)).now()
    assert ahead.earliest > interval.latest
    for choice in (ClockChoice("constant"), ClockChoice("shared")):
        with pytest.raises(ValueError, match="needs"):
            make(choice)


def run(*arguments: object) -> "subprocess.CompletedProcess[str]":
    return opendsql("topology", *arguments, environment={"BANK_PASSWORD": "x"})


@pytest.mark.slow
def test_the_command(tmp_path):
    path = tmp_path / "topology.toml"
    path.write_text(FILE)
    done = run("check", path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "cluster bank: 3 nodes in 2 active regions" in done.stdout
    assert "  node e1 at db1.example.com:7401, SQL on 5432: router query adjudicator storage" in done.stdout
    assert "shard [00000001ff, ): journal 2, 2 replicas" in done.stdout
    assert "password of admin: BANK_PASSWORD, set here" in done.stdout
    assert "password of etcd: BANK_ETCD, not set here" in done.stdout
    done = run("certificates", path)
    assert (done.returncode, done.stderr) == (0, "")
    load_issued(load(path).certificates, "w2")
    path.write_text(FILE.replace("ms = 60", "ms = -1"))
    done = run("check", path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"{path}: line 76: distance 1: ms must be 0 to 60000\n"
    path.write_bytes(b"\xff")
    assert "not UTF-8" in run("check", path).stderr
    assert run("check", tmp_path / "none").returncode == 2
