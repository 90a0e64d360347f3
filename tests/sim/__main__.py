"""`python -m tests.sim`: replay a seed, explore many, or look for every rule that is switched off."""

import argparse
import sys
import time
from concurrent.futures import ProcessPoolExecutor

from tests.sim.explore import explore, replay
from tests.sim.mutants import MUTANTS
from tests.sim.profiles import PROFILES
from tests.sim.table import Search

CHUNK = 20
"""Seeds between two lines of progress."""


def say(line):
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _seeds(arguments):
    """A number of seeds, from `--first` on, on all processes."""
    started = time.monotonic()
    violations, counts, skews, done = [], {}, 0, 0
    end = arguments.first + arguments.seeds
    chunks = [range(n, min(n + CHUNK, end)) for n in range(arguments.first, end, CHUNK)]
    with ProcessPoolExecutor(arguments.processes) as pool:
        results = pool.map(explore, chunks, [arguments.profile] * len(chunks))
        for chunk, (found, counted, seen) in zip(chunks, results):
            for seed, text in found:
                violations.append(seed)
                say(f"seed {seed}: {text}")
            for name, count in counted.items():
                counts[name] = counts.get(name, 0) + count
            skews += seen
            done += len(chunk)
            seconds = time.monotonic() - started
            say(f"{done} of {arguments.seeds} seeds, {seconds:.0f} s, {done / seconds:.1f} seeds/s")
    if not skews and arguments.seeds >= 100 and arguments.profile is None:
        violations.append(None)
        say("write skew was never seen: these runs do not test snapshot isolation")
    results = ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
    say(f"{results}; write skew {skews}")
    say(f"sim: {arguments.seeds} seeds, {len(violations)} violations")
    return 1 if violations else 0


def _seed(arguments):
    """One seed, with the story of the transactions at fault."""
    text, lines, trace = replay(arguments.seed, arguments.profile)
    for line in lines:
        say(line)
    if text:
        say(f"seed {arguments.seed}: {text}")
    say(f"trace {trace}")
    say(f"sim: 1 seeds, {1 if text else 0} violations")
    return 1 if text else 0


def _mutants(arguments):
    """Each rule switched off: its schedule, and how many seeds a random search needed."""
    search = Search(arguments.mutants, arguments.seconds, say, arguments.rules)
    return 0 if search.run(arguments.processes) else 1


def main():
    parser = argparse.ArgumentParser(prog="sim")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--seeds", type=int)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--profile", choices=sorted(PROFILES), help="the seed says which")
    parser.add_argument("--mutants", type=int, help="look for each rule in so many seeds")
    parser.add_argument("--rules", nargs="*", choices=sorted(MUTANTS), help="all")
    parser.add_argument("--seconds", type=int, default=600, help="and no longer than this for each")
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
