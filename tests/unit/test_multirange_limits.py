"""What a multirange may hold is bounded: everything with it is one call that nobody can interrupt."""

import struct
from collections.abc import Callable

import pytest

from server.errors import PgError
from server.sql.env import Env
from server.sql.fn_multirange import union
from server.sql.functions import AGGREGATES, FUNCTIONS
from server.sql.sizes import MAX_RANGES, MAX_SCANNED
from server.sql.types import BY_NAME, MULTIRANGE_OF, RANGE_KINDS, Array, Multirange, Range

RANGE = BY_NAME["int4range"]
SEVERAL = MULTIRANGE_OF[RANGE]
KIND = RANGE_KINDS[RANGE]


def spread(count: int, first: int = 0) -> list[Range]:
    """Ranges with gaps between them."""
    return [KIND.range(4 * i + first, 4 * i + first + 1, True, False) for i in range(count)]


def refused(run: Callable[[], object]) -> bool:
    try:
        run()
    except PgError as error:
        return error.sqlstate == "54000"
    return False


def test_texts_and_binary_forms_beyond_the_limit_are_refused() -> None:
    pieces = ["(,)"] * MAX_RANGES
    whole = SEVERAL.input("{" + ",".join(pieces) + "}", -1, Env())
    assert len(whole.ranges) == 1
    assert refused(lambda: SEVERAL.input("{" + ",".join([*pieces, "(,)"]) + "}", -1, Env()))
    assert refused(lambda: SEVERAL.input("{" + " " * MAX_SCANNED, -1, Env()))
    assert refused(lambda: RANGE.input("[" + " " * MAX_SCANNED, -1, Env()))
    assert refused(lambda: SEVERAL.receive(struct.pack("!I", MAX_RANGES + 1), -1, Env()))


def test_what_is_made_of_several_is_refused() -> None:
    half = spread(MAX_RANGES // 2 + 1)
    one, other = Multirange(KIND, tuple(half)), Multirange(KIND, tuple(spread(MAX_RANGES // 2 + 1, 2)))
    assert refused(lambda: union(one, other))
    assert len(union(one, one).ranges) == len(half)
    construct = next(each for each in FUNCTIONS["int4multirange"] if each.variadic).impl
    assert refused(lambda: construct(Array(spread(MAX_RANGES + 1))))


@pytest.mark.parametrize("gap", [True, False])
def test_range_agg_merges_on_the_way(gap: bool) -> None:
    """Touching ranges are one, however many there are; others are refused beyond the limit."""
    entry = next(each for each in AGGREGATES["range_agg"] if each.args[0].name == "anyrange")
    state = entry.init()
    step = 2 if gap else 1

    def gather() -> None:
        for number in range(MAX_RANGES + 2_000):
            entry.step(state, KIND.range(step * number, step * number + 1, True, False))
            assert len(state.ranges) <= 2 * MAX_RANGES
        entry.final(state, None)

    if gap:
        assert refused(gather)
    else:
        gather()
        assert len(entry.final(state, None).ranges) == 1
