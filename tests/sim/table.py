"""The search for switched-off rules and the table that it leaves in docs/simulation.md.

Each rule is looked for in seeds 0, 1, 2 and so on of its kind of run, until it is noticed or the bounds are
reached. What was tried is kept beside the build, by the digest of the code: a search that was broken off goes on.
"""

import json
import time
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from multiprocessing import get_context
from pathlib import Path
from zlib import crc32

from journal.broken import Broken
from tests.sim.checkers import Violation
from tests.sim.explore import search
from tests.sim.mutants import MUTANTS, switched_off
from tests.sim.profiles import SOUGHT
from tests.sim.schedules import SCHEDULES
from tests.sim.stage import Stage

ROOT = Path(__file__).parents[2]
PAGE = "docs/simulation.md"
BEGIN, END = "<!-- make mutants writes this -->\n", "<!-- until here -->\n"
HEAD = ["| switch | rule | schedule: found as | runs | seeds needed: found as |", "|---|---|---|---|---|"]
CHUNK = 10
SINGLE = (
    "server/session/coordinator.py",
    "server/session/reader.py",
    "storage/shard.py",
    "storage/trust.py",
)
RARE = 1000
"""A rule that so many seeds do not miss may be shown by its schedule alone."""


def digest():
    """Of the code that a run depends on."""
    folders = ("adjudicator", "journal", "tests/sim", "tests/sim/checkers")
    paths = [path for folder in folders for path in sorted((ROOT / folder).glob("*.py"))]
    paths += [ROOT / name for name in SINGLE]
    return crc32(b"".join(path.read_bytes() for path in paths))


def noticed(name):
    """As what its schedule shows that rule `name` is off; "" when it does not."""
    stage = Stage()
    with switched_off(name):
        try:
            SCHEDULES[name](stage)
            stage.observers.tell("at_end", [stage.shard])
        except (Violation, Broken) as violation:
            return str(violation).split(":")[0]
    return ""


def _timed(name, seeds):
    started = time.process_time()
    return search(name, seeds), time.process_time() - started


class Search:
    """Looks for every rule, or those of `names`; `seeds` and CPU `seconds` are bounds for each."""

    def __init__(self, seeds, seconds, say, names=(), root=ROOT):
        self._seeds = seeds
        self._seconds = seconds
        self._say = say
        self._names = sorted(names or MUTANTS)
        self._page = root / PAGE
        self._path = root / "build" / f"mutants-{digest():08x}.json"
        self.state = json.loads(self._path.read_text()) if self._path.exists() else {}

    def run(self, processes):
        """Search, write the table; whether every rule was noticed as it should be."""
        with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
            open_names = [name for name in self._names if not self._is_done(name)]
            running = {}
            while open_names or running:
                while open_names and len(running) < processes:
                    name = open_names.pop(0)
                    first = self._of(name)["tried"]
                    seeds = range(first, min(first + CHUNK, self._seeds))
                    running[pool.submit(_timed, name, seeds)] = (name, seeds)
                for each in wait(running, return_when=FIRST_COMPLETED).done:
                    name, seeds = running.pop(each)
                    self._take_in(name, seeds, *each.result())
                    if not self._is_done(name):
                        open_names.insert(0, name)
        self._write({name: self._row(name) for name in self._names})
        missed = [name for name in self._names if not self._is_shown(name)]
        for name in missed:
            self._say(f"{name}: not shown")
        self._say(f"mutants: {len(self._names)} rules, {len(missed)} not shown")
        return not missed

    def _of(self, name):
        return self.state.get(name, {"tried": 0, "seconds": 0, "seed": None, "text": ""})

    def _is_done(self, name):
        each = self._of(name)
        return each["seed"] is not None or each["tried"] >= self._seeds or each["seconds"] >= self._seconds

    def _is_shown(self, name):
        """By its schedule, and by chance unless it is rare."""
        each = self._of(name)
        return bool(noticed(name)) and (each["seed"] is not None or each["tried"] >= min(RARE, self._seeds))

    def _take_in(self, name, seeds, result, seconds):
        seed, text = result
        before = self._of(name)
        tried = seed + 1 if seed is not None else seeds.stop
        self.state[name] = {
            "tried": tried,
            "seconds": before["seconds"] + seconds,
            "seed": seed,
            "text": text,
        }
        self._path.parent.mkdir(exist_ok=True)
        self._path.write_text(json.dumps(self.state))
        if self._is_done(name):
            self._say(self._row(name))

    def _row(self, name):
        each = self._of(name)
        needed = (
            f"{each['tried']}: {each['text']}" if each["seed"] is not None else f"none in {each['tried']}"
        )
        shown = f"`{SCHEDULES[name].__name__}`: {noticed(name) or 'not noticed'}"
        row = (f"`{name}`", MUTANTS[name][0], shown, SOUGHT.get(name, "any"), needed)
        return "| " + " | ".join(row) + " |"

    def _write(self, rows):
        """Put `rows` (by name) into the page; those of other rules stay."""
        before, rest = self._page.read_text().split(BEGIN)
        old, after = rest.split(END)
        kept = {line.split("`")[1]: line for line in old.splitlines() if line.startswith("| `")}
        rows = {name: row for name, row in {**kept, **rows}.items() if name in MUTANTS}
        table = "".join(f"{line}\n" for line in [*HEAD, *(rows[name] for name in sorted(rows))])
        self._page.write_text(before + BEGIN + table + END + after)
