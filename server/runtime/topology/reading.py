"""Reads `topology.toml`. Whatever is wrong is found in one pass, and told with its line or its key.

cluster = "bank"

[clock]
source = "chrony"                # clockbound, chrony, constant (bound_ms), shared (directory)
limit_ms = 20

[certificates]
directory = "certificates"       # beside this file

[passwords]
admin = "OPENDSQL_PASSWORD"      # names of environment variables

[[region]]
name = "us-east-1"
role = "active"                  # or "witness"

[[node]]
id = "us-east-1-1"
region = "us-east-1"
host = "db1.example.com"
port = 7401
clients = 5432
roles = ["router", "query", "adjudicator", "storage"]

[[journal]]
number = 0
leader = "us-east-1"
quota_mib = 2048                 # of its members of etcd
etcd = { us-east-1 = "https://db1.example.com:2379", ... }

[[shard]]
low = ""                         # hexadecimal; the next one begins where this one ends
journal = 0
replicas = { us-east-1 = ["us-east-1-1"], us-west-2 = ["us-west-2-1"] }
"""

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from server.runtime.clocks.choice import SOURCES, ClockChoice
from server.runtime.topology import rules
from server.runtime.topology.model import (
    NODE_ROLES,
    QUOTA_MIB,
    REGION_ROLES,
    Distance,
    Journal,
    Node,
    Passwords,
    Region,
    Shard,
    Topology,
)

T = TypeVar("T")
_MISSING: Any = object()


class BadTopology(ValueError):
    """`problems`, each one line with its place in the file."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = list(problems)


def load(path: Path) -> Topology:
    """The topology in a file; its relative paths begin at the file. Raises OSError, `BadTopology`."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise BadTopology([f"not UTF-8: {error}"]) from error
    return parse(text, path.absolute().parent)


def parse(text: str, base: Path) -> Topology:
    """Raises `BadTopology`."""
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadTopology([str(error)]) from error  # it names line and column
    problems: list[str] = []
    root = _Table(content, "", problems)
    lines = _Lines(text)
    topology = _topology(root, lines, base, problems)
    if not problems:
        problems += rules.problems(topology, lines.place)
    if problems:
        raise BadTopology(problems)
    return topology


def _topology(root: "_Table", lines: "_Lines", base: Path, problems: list[str]) -> Topology:
    def tables(kind: str) -> Iterator[_Table]:
        found = root.take(kind, list, [])
        for index, each in enumerate(found):
            if isinstance(each, dict):
                yield _Table(each, lines.place(kind, index), problems)
            else:
                problems.append(f"{kind}: write it as [[{kind}]]")

    regions = tuple(_region(each, base) for each in tables("region"))
    nodes = tuple(_node(each, base) for each in tables("node"))
    journals = tuple(_journal(each) for each in tables("journal"))
    shards = _shards(list(tables("shard")))
    distances = tuple(_distance(each) for each in tables("distance"))
    certificates = root.table("certificates")
    passwords = root.table("passwords")
    clock = root.table("clock")
    topology = Topology(
        root.take("cluster", str, ""),
        regions,
        nodes,
        journals,
        shards,
        _clock(clock, base),
        base / certificates.take("directory", str, "certificates"),
        Passwords(passwords.take("admin", str, "OPENDSQL_PASSWORD"), passwords.take("etcd", str, None)),
        distances,
    )
    for each in (certificates, passwords, root):
        each.end()
    return topology


def _region(table: "_Table", base: Path) -> Region:
    clock = table.optional_table("clock")
    found = Region(
        table.take("name", str, ""),
        table.choose("role", REGION_ROLES, "active"),
        _clock(clock, base) if clock is not None else None,
    )
    table.end()
    return found


def _node(table: "_Table", base: Path) -> Node:
    clock = table.optional_table("clock")
    found = Node(
        table.take("id", str),
        table.take("region", str),
        table.take("host", str),
        table.take("port", int, 0),
        tuple(table.each_of("roles", NODE_ROLES)),
        table.take("clients", int, None),
        _clock(clock, base) if clock is not None else None,
    )
    table.end()
    return found


def _journal(table: "_Table") -> Journal:
    etcd = table.take("etcd", dict, {})
    for region, url in etcd.items():
        if not isinstance(url, str):
            table.wrong(f"etcd.{region}", "an URL", url)
    found = Journal(
        table.take("number", int), table.take("leader", str), etcd, table.take("quota_mib", int, QUOTA_MIB)
    )
    table.end()
    return found


def _shards(tables: list["_Table"]) -> tuple[Shard, ...]:
    lows = [_hexadecimal(table) for table in tables]
    found = []
    for place, table in enumerate(tables):
        high = lows[place + 1] if place + 1 < len(lows) else None
        replicas = {}
        for region, nodes in table.take("replicas", dict, {}).items():
            if not isinstance(nodes, list) or not all(isinstance(node, str) for node in nodes):
                table.wrong(f"replicas.{region}", "a list of node ids", nodes)
            else:
                replicas[region] = tuple(nodes)
        found.append(Shard(lows[place], high, table.take("journal", int), replicas))
        table.end()
    return tuple(found)


def _hexadecimal(table: "_Table") -> bytes:
    text = table.take("low", str)
    try:
        return bytes.fromhex(text)
    except ValueError:
        table.wrong("low", "hexadecimal digits", text)
        return b""


def _distance(table: "_Table") -> Distance:
    between = table.take("between", list, [])
    if len(between) != 2 or not all(isinstance(region, str) for region in between):
        table.wrong("between", "two regions", between)
        between = ["", ""]
    found = Distance((between[0], between[1]), table.number("ms", 0.0))
    table.end()
    return found


def _clock(table: "_Table", base: Path) -> ClockChoice:
    standard = ClockChoice("constant")
    directory = table.take("directory", str, None)
    path = table.take("path", str, None)
    found = ClockChoice(
        table.choose("source", SOURCES),
        table.number("limit_ms", standard.limit_ms),
        table.number("bound_ms", None),
        None if directory is None else base / directory,
        standard.path if path is None else base / path,
        table.take("port", int, standard.port),
        table.number("drift_ppm", standard.drift_ppm),
    )
    table.end()
    return found


class _Table:
    """Takes values out of a table, and notes what is missing, left over or of another type."""

    def __init__(self, content: Mapping[str, Any], place: str, problems: list[str]) -> None:
        self._content = dict(content)
        self._place = place
        self._problems = problems

    def take(self, key: str, kind: type, default: Any = _MISSING) -> Any:
        value = self._content.pop(key, _MISSING)
        if value is _MISSING:
            if default is _MISSING:
                self._problems.append(self._at(f"{key} is missing"))
                return kind()
            return default
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            self.wrong(key, _KINDS[kind], value)
            return kind()
        return value

    def number(self, key: str, default: float | None) -> Any:
        value = self._content.pop(key, default)
        if value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
            return value
        self.wrong(key, "a number", value)
        return default

    def choose(self, key: str, choices: Sequence[T], default: Any = _MISSING) -> T:
        value = self.take(key, str, default)
        if value not in choices:
            if value:
                self.wrong(key, f"one of {', '.join(map(str, choices))}", value)
            return choices[0]
        return choices[choices.index(value)]

    def each_of(self, key: str, choices: Sequence[T]) -> list[T]:
        found = []
        for value in self.take(key, list):
            if value in choices:
                found.append(choices[choices.index(value)])
            else:
                self.wrong(key, f"some of {', '.join(map(str, choices))}", value)
        return found

    def table(self, key: str) -> "_Table":
        """A table within this one; an empty one if there is none."""
        return _Table(self.take(key, dict, {}), self._at(key), self._problems)

    def optional_table(self, key: str) -> "_Table | None":
        return self.table(key) if key in self._content else None

    def wrong(self, key: str, wanted: str, value: object) -> None:
        self._problems.append(self._at(f"{key} must be {wanted}, not {value!r}"))

    def end(self) -> None:
        """What is left over is not known."""
        self._problems += [self._at(f"{key} is not known here") for key in self._content]

    def _at(self, text: str) -> str:
        return f"{self._place}: {text}" if self._place else text


_KINDS = {str: "a string", int: "a whole number", list: "a list", dict: "a table"}


class _Lines:
    """Where the tables of an array begin."""

    def __init__(self, text: str) -> None:
        self._lines: dict[str, list[int]] = {}
        for number, line in enumerate(text.splitlines(), 1):
            header = re.match(r"\s*\[\[\s*(\w+)\s*\]\]", line)
            if header is not None:
                self._lines.setdefault(header[1], []).append(number)

    def place(self, kind: str, index: int) -> str:
        """How a problem in the table is introduced."""
        lines = self._lines.get(kind, [])
        where = f"line {lines[index]}: " if index < len(lines) else ""
        return f"{where}{kind} {index + 1}"
