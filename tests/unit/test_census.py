"""Which processes of a node are asked for their open transactions, and until when they are waited for."""

from server.runtime import frames
from server.runtime.backend import Backend, Peer
from tests.nodes import run


def test_a_process_that_only_starts_is_not_waited_for(tmp_path):
    async def work(node):
        backend = Backend(node, tmp_path, 1, lambda _process_id, _secret: None)
        peer = backend._peers[1] = Peer(1, node, backend, 1 << 20)
        assert node.desk.elsewhere().value() == []
        peer.accepting.set_result(None)
        asked = node.desk.elsewhere()
        assert not asked.done
        peer._receive(frames.RunningAre(2, []))
        assert asked.value() == []

    run(tmp_path / "data", work)
