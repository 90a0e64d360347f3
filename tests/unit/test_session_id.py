"""sys.current_session_id(): the connectors' own tests tell connections apart by it."""

import uuid

from server.runtime.node import Node
from tests.sessions import Client, run


def test_it_is_the_sessions_own_and_stays(tmp_path):
    async def work(node: Node):
        first, second = Client(node), Client(node)
        asked = "SELECT sys.current_session_id()"
        return [await client.rows(asked) for client in (first, second, first)]

    ((one,),), ((other,),), ((again,),) = run(tmp_path, work)
    assert one == again != other
    assert str(uuid.UUID(one)) == one


def test_it_is_text_and_named_like_the_function(tmp_path):
    async def work(node: Node):
        return await Client(node).rows(
            "SELECT pg_typeof(current_session_id)::text, length(current_session_id)"
            " FROM (SELECT sys.current_session_id()) s"
        )

    assert run(tmp_path, work) == [("text", "36")]
