"""What stays the same of a cluster on this machine, however it is started again."""

from server.runtime.region.config import PROMISE_MS
from server.runtime.region.local_cluster import Options, plan_of


def test_promises_never_become_shorter(tmp_path):
    """A successor reckons with those of its predecessor, which may have been given at a longer distance (AR §3.5)."""
    promises = [plan_of(Options(tmp_path, rtt_ms=rtt)).promise_ms for rtt in (0.0, 60.0, 200.0, 0.0)]
    assert promises == [PROMISE_MS, PROMISE_MS, 1000, 1000]


def test_ports_between_processes_stay_the_same(tmp_path):
    first, second = (plan_of(Options(tmp_path, port=port)) for port in (5432, 0))
    assert (first.node_ports, first.etcd_ports) == (second.node_ports, second.etcd_ports)
