"""J1, J2, J4, J5, J6, A2: positions, epochs, times and requests of every journal.

By the auditor, which shares nothing with who writes; J6 (an append that was repeated is stored once) here.
"""

from journal.audit import Auditor
from tests.sim.checkers.base import Checker, Violation


class JournalOrder(Checker):
    def __init__(self, history):
        super().__init__(history)
        self._auditors = {}
        self._requests = {}

    def on_record(self, journal, entry):
        auditor = self._auditors.setdefault(journal, Auditor())
        auditor.add(entry)
        request = (journal, entry.record.request_id)
        position = entry.record.header.position
        if self._requests.setdefault(request, position) != position:
            raise Violation(
                "J6", f"journal {journal} holds a request at {self._requests[request]} and {position}"
            )
        for finding in auditor.result().findings:
            if finding.invariant != "A4":
                raise Violation(finding.invariant, f"journal {journal}: {finding.text}", finding.txid)
