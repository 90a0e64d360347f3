"""H3, Q3: whoever begins after an acknowledgement, or after somebody was told of what he read, sees that too.

Across all sessions only while clocks keep their bound.
"""

from adjudicator.messages import Committed
from tests.sim.checkers.base import Checker, Violation


class RealTime(Checker):
    def __init__(self, history):
        super().__init__(history)
        self._acknowledged = 0
        self._told = 0
        self._sessions = {}

    def on_result(self, client, txid, result, at, is_bounded):
        if isinstance(result, Committed):
            self._sessions[client] = max(self._sessions.get(client, 0), result.commit_ts)
            if is_bounded:
                self._acknowledged = max(self._acknowledged, result.commit_ts)

    def on_told(self, client, start_ts, is_bounded):
        if is_bounded:
            self._told = max(self._told, start_ts)

    def on_begin(self, client, start_ts, at, is_bounded):
        if start_ts < self._sessions.get(client, 0):
            raise Violation(
                "Q3", f"{client} began at {start_ts}, committed at {self._sessions[client]} before"
            )
        if is_bounded and start_ts < self._acknowledged:
            raise Violation(
                "H3", f"{client} began at {start_ts}, {self._acknowledged} was acknowledged before"
            )
        if is_bounded and start_ts < self._told:
            raise Violation("H3", f"{client} begins at {start_ts}, somebody has read at {self._told} before")
