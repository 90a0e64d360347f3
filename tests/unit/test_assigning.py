"""Which process of a region owns which journal: homes, silence, return, and that nothing goes to and fro."""

from server.runtime.region.assigning import Assigning, Waits

WAITS = Waits(silence=1.0, rest=0.5, settled=2.0, start=5.0, calm=100.0)
STEP = 0.25


def made(adjudicators=("a1", "a2"), order=(0, 2, 1, 3), may_own=True):
    return Assigning("head", adjudicators, order, may_own=may_own, waits=WAITS)


class Run:
    """Time passes in steps; those in `alive` are heard in each."""

    def __init__(self, assigning, journals=(0, 2)):
        self.assigning = assigning
        self.journals = journals
        self.now = 100.0
        self.alive = {"a1", "a2"}
        self.story = []

    def go_on(self, seconds):
        for _ in range(int(seconds / STEP)):
            self.now += STEP
            for node in sorted(self.alive):
                self.assigning.heard(node, self.now)
            self.assigning.assign(self.journals, self.now)
            holders = self.holders()
            if not self.story or self.story[-1] != holders:
                self.story.append(holders)

    def holders(self):
        return [self.assigning.holder(each) for each in self.journals]


def test_journals_are_spread_over_the_adjudicators_in_turn():
    run = Run(made(), (0, 1, 2, 3))
    run.go_on(STEP)
    assert run.holders() == ["a1", "a1", "a2", "a2"]
    assert run.assigning.held_by("a1") == [0, 1]


def test_a_region_without_adjudicators_owns_by_its_node_at_once():
    run = Run(made(adjudicators=()))
    run.go_on(STEP)
    assert run.holders() == ["head", "head"]


def test_one_that_was_never_heard_is_waited_for_at_the_start_and_then_not():
    run = Run(made())
    run.alive = {"a2"}
    run.go_on(WAITS.start - STEP)
    assert run.story == [[None, "a2"]]
    run.go_on(2 * STEP)
    assert run.holders() == ["a2", "a2"]


def test_a_silent_one_loses_its_journals_to_the_next_and_gets_them_back():
    run = Run(made())
    run.go_on(3)
    run.alive = {"a2"}
    run.go_on(WAITS.silence + 2 * STEP)
    assert run.holders() == ["a2", "a2"]
    run.alive = {"a1", "a2"}
    run.go_on(10)
    assert run.story == [["a1", "a2"], ["a2", "a2"], ["a1", "a2"]]
    assert run.assigning.moves == 2


def test_what_returns_within_the_silence_keeps_its_journals():
    run = Run(made())
    run.go_on(3)
    run.alive = {"a2"}
    run.go_on(WAITS.silence - STEP)
    run.alive = {"a1", "a2"}
    run.go_on(10)
    assert run.story == [["a1", "a2"]]


def test_the_node_owns_what_no_adjudicator_can_if_it_may():
    for may_own, expected in ((True, ["head", "head"]), (False, ["a1", "a2"])):
        run = Run(made(may_own=may_own))
        run.go_on(3)
        run.alive = set()
        run.go_on(3)
        assert run.holders() == expected


def test_nothing_moves_back_before_it_has_settled():
    run = Run(made())
    run.go_on(3)
    run.alive = {"a2"}
    run.go_on(WAITS.silence + STEP)
    run.alive = {"a1", "a2"}
    run.go_on(WAITS.settled - STEP)
    assert run.holders() == ["a2", "a2"]
    run.go_on(2 * STEP)
    assert run.holders() == ["a1", "a2"]


def test_one_that_dies_again_and_again_moves_its_journal_ever_less_often():
    run = Run(made(adjudicators=("a1",), order=(0,)), (0,))
    run.go_on(3)
    moves = []
    for _ in range(6):
        before = run.assigning.moves
        for _ in range(10):  # dead for two seconds, alive for four
            run.alive = set()
            run.go_on(2)
            run.alive = {"a1"}
            run.go_on(4)
        moves.append(run.assigning.moves - before)
    assert moves[0] > 0 and moves[-1] == 0
    run.go_on(WAITS.calm + 10)
    assert run.holders() == ["a1"]


def test_long_calm_is_forgiven():
    run = Run(made())
    run.go_on(3)
    for _ in range(5):
        run.alive = {"a2"}
        run.go_on(2)
        run.alive = {"a1", "a2"}
        run.go_on(2)
    run.go_on(WAITS.calm + 60)
    run.alive = {"a2"}
    run.go_on(2)
    run.alive = {"a1", "a2"}
    run.go_on(3)
    assert run.holders() == ["a1", "a2"]


def test_what_the_region_does_not_lead_belongs_to_nobody():
    run = Run(made(), (0, 1))
    run.go_on(3)
    run.journals = (0,)
    run.go_on(STEP)
    assert run.assigning.holder(1) is None
    run.journals = ()
    run.go_on(STEP)
    assert run.assigning.holder(0) is None
