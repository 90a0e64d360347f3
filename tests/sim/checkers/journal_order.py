"""J1, J2, J4, A2: positions, epochs and times of every journal, by the auditor that shares nothing with it."""

from journal.audit import Auditor
from tests.sim.checkers.base import Checker, Violation


class JournalOrder(Checker):
    def __init__(self, history):
        super().__init__(history)
        self._auditors = {}

    def on_record(self, journal, entry):
        auditor = self._auditors.setdefault(journal, Auditor())
        auditor.add(entry)
        for finding in auditor.result().findings:
            if finding.invariant != "A4":
                raise Violation(finding.invariant, f"journal {journal}: {finding.text}", finding.txid)
