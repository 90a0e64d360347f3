"""`python -m tests.sim`: replay a seed, explore many, or search for every mutant by chance."""

import argparse
import sys
import time
from concurrent.futures import ProcessPoolExecutor

from tests.sim.explore import explore, replay, search
from tests.sim.mutants import MUTANTS
from tests.sim.schedules import SCHEDULES


def say(line):
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _seeds(arguments):
    """A number of seeds, from `--first` on, on both cores."""
    started = time.monotonic()
    violations, counts, skews = [], {}, 0
    chunks = [
        range(n, min(n + 25, arguments.first + arguments.seeds))
        for n in range(arguments.first, arguments.first + arguments.seeds, 25)
    ]
    with ProcessPoolExecutor(arguments.processes) as pool:
        for found, counted, seen in pool.map(explore, chunks):
            for seed, text in found:
                violations.append(seed)
                say(f"seed {seed}: {text}")
            for name, count in counted.items():
                counts[name] = counts.get(name, 0) + count
            skews += seen
    if not skews and arguments.seeds >= 20:
        violations.append(None)
        say("write skew was never seen: these runs do not test snapshot isolation")
    results = ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
    say(f"{time.monotonic() - started:.0f} s; {results}; write skew {skews}")
    say(f"sim: {arguments.seeds} seeds, {len(violations)} violations")
    return 1 if violations else 0


def _seed(arguments):
    """One seed, with the story of the transactions at fault."""
    text, lines, trace = replay(arguments.seed)
    for line in lines:
        say(line)
    if text:
        say(f"seed {arguments.seed}: {text}")
    say(f"trace {trace}")
    say(f"sim: 1 seeds, {1 if text else 0} violations")
    return 1 if text else 0


def _mutants(arguments):
    """Each rule switched off: its schedule, and how many seeds a random search needed."""
    say("| rule switched off | schedule | seeds until found | found as |")
    say("|---|---|---|---|")
    with ProcessPoolExecutor(arguments.processes) as pool:
        names = sorted(MUTANTS)
        for name, (seed, text) in zip(names, pool.map(search, names, [arguments.mutants] * len(names))):
            needed = f"{seed + 1}" if seed is not None else f"not in {arguments.mutants}"
            row = (f"{name}: {MUTANTS[name][0]}", SCHEDULES[name].__name__, needed, text)
            say("| " + " | ".join(row) + " |")
    return 0


def main():
    parser = argparse.ArgumentParser(prog="sim")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--seeds", type=int)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--mutants", type=int, help="search each mutant in so many seeds")
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    if arguments.mutants is not None:
        return _mutants(arguments)
    if arguments.seed is not None:
        return _seed(arguments)
    arguments.seeds = arguments.seeds or 100
    return _seeds(arguments)


if __name__ == "__main__":
    sys.exit(main())
