"""When the router replaces a query processor: one at a time, drained first, never at a session's cost."""

from dataclasses import dataclass, field

from server.runtime.router.renewal import Act, Renewal, Step
from server.runtime.router.settings import Settings


@dataclass(eq=False)
class Processor:
    renew_at: float = 100.0
    sessions: set[int] = field(default_factory=lambda: {1})
    is_ready: bool = True
    is_leaving: bool = False


def renewal(processors=2, chance=0.5):
    return Renewal(Settings(processors, renew_s=100.0, drain_s=10.0), lambda: chance)


def begun(core, running, now=100.0):
    """A renewal whose successor has just been launched, which is returned."""
    assert core.step(now, running) == Step(Act.START, running[0])
    successor = core.successor = Processor(renew_at=1000.0, sessions=set(), is_ready=False)
    running.append(successor)
    return successor


def test_times_are_spread():
    assert [renewal(chance=each).due(7.0) for each in (0.0, 0.5, 1.0)] == [82.0, 107.0, 132.0]


def test_nothing_is_done_before_its_time():
    core, running = renewal(), [Processor()]
    assert core.step(99.9, running) is None
    assert core.step(100.0, running) is not None


def test_a_successor_takes_sessions_before_the_old_one_gives_them_up():
    core, old, other = renewal(), Processor(), Processor(renew_at=200.0)
    running = [old, other]
    successor = begun(core, running)
    assert core.step(101.0, running) is None
    successor.is_ready = True
    assert core.step(102.0, running) == Step(Act.DRAIN, old)
    assert core.step(111.0, running) is None
    old.sessions.clear()
    assert core.step(111.5, running) == Step(Act.END, old)
    old.is_leaving = True
    assert core.step(111.6, running) is None


def test_one_at_a_time():
    core, running = renewal(), [Processor(), Processor()]
    begun(core, running)
    assert core.step(150.0, running) is None


def test_sessions_that_stay_put_a_renewal_off_and_no_further_process_is_started_for_it():
    core, old = renewal(processors=1), Processor()
    running = [old]
    successor = begun(core, running)
    successor.is_ready = True
    assert core.step(101.0, running) == Step(Act.DRAIN, old)
    assert core.step(111.1, running) == Step(Act.PUT_OFF, old)
    old.renew_at = 200.0
    assert core.step(200.0, running) == Step(Act.DRAIN, old)


def test_a_successor_that_does_not_start_puts_it_off():
    core, old = renewal(), Processor()
    running = [old]
    running.remove(begun(core, running))
    assert core.step(101.0, running) == Step(Act.PUT_OFF, old)


def test_whoever_has_no_session_ends_without_a_successor():
    core, old = renewal(), Processor(sessions=set())
    assert core.step(100.0, [old]) == Step(Act.END, old)


def test_a_processor_that_dies_meanwhile_is_forgotten():
    core, old, other = renewal(), Processor(), Processor()
    running = [old, other]
    begun(core, running)
    running.remove(old)
    assert core.step(101.0, running) == Step(Act.START, other)


def test_whoever_starts_or_ends_is_left_alone():
    core = renewal()
    assert core.step(100.0, [Processor(is_ready=False), Processor(is_leaving=True)]) is None
