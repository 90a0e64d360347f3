"""What processes count: sums that never fall, and shares of the time between two reports."""

from server.pgwire.connection import Counters
from server.runtime.frames import Report
from server.runtime.reporting import Reports, at_its_end, total


def report(busy_s=0.0, begun=0, open_transactions=0, waited=0, refused=0, **connections):
    return Report(busy_s, begun, open_transactions, waited, refused, Counters(**connections))


class Processes:
    def __init__(self, ended, *running):
        self.ended = ended
        self.reports = list(running)


def test_a_process_that_ends_leaves_what_it_counted_and_nothing_open():
    last = report(2.0, 5, 1, 3, 4, errors=7, open=2)
    assert total(Processes(at_its_end(last))) == report(2.0, 5, 0, 3, 4, errors=7, open=0)


def test_sums_are_over_all_processes():
    first, second = report(1.0, 2, 1, errors=1, open=1), report(0.5, 3, 2, refused=1, errors=2, open=4)
    expected = report(1.5, 5, 3, 0, 1, errors=3, open=5)
    assert total(Processes(report(), first, second)) == expected


def test_the_busy_share_is_that_of_the_last_interval():
    reports = Reports()
    for busy_s, now, share in ((9.0, 100.0, 0.0), (9.5, 101.0, 0.5), (9.5, 103.0, 0.0)):
        reports.take(report(busy_s), now)
        assert reports.busy_share == share
