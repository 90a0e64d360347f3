"""Whose work goes on in the loop's next turn (server.runtime.listener.Turns)."""

from server.runtime.listener import Turns


class Loop:
    """A loop that runs what it was given when it is told to."""

    def __init__(self):
        self.callbacks = []

    def call_soon(self, callback):
        self.callbacks.append(callback)

    def turn(self):
        callbacks, self.callbacks = self.callbacks, []
        for callback in callbacks:
            callback()
        return len(callbacks)


def test_many_have_one_callback_and_none_is_called_inline():
    loop, called = Loop(), []
    turns = Turns(loop)
    for number in range(3):
        turns.add(lambda number=number: called.append(number))
    assert called == []
    assert loop.turn() == 1
    assert called == [0, 1, 2]
    assert loop.callbacks == []


def test_who_comes_back_waits_for_the_next_turn():
    loop, called = Loop(), []
    turns = Turns(loop)

    def again():
        called.append("again")
        if len(called) < 5:
            turns.add(again)

    turns.add(again)
    turns.add(lambda: called.append("other"))
    assert loop.turn() == 1
    assert called == ["again", "other"]
    assert loop.turn() == 1
    assert called == ["again", "other", "again"]


def test_a_failure_keeps_nobody_else_from_his_turn():
    loop, called = Loop(), []
    turns = Turns(loop)

    def fail():
        turns.add(lambda: called.append("added"))
        raise KeyError("a defect")

    turns.add(fail)
    turns.add(lambda: called.append("next"))
    try:
        loop.turn()
    except KeyError:
        called.append("failed")
    assert loop.turn() == 1
    assert called == ["failed", "added", "next"]
    assert loop.callbacks == []
