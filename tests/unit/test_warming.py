"""Before it serves, a process has run statements of every sort, which nobody counts."""

from server.errors import PgError
from server.runtime import warming
from server.session import suspending
from server.session.session import SqlSession
from tests.nodes import run


def test_statements_run_and_leave_plans_behind_and_nothing_else(tmp_path):
    async def work(node):
        before, node.kinds = node.begun, suspending.PLAIN
        await warming.warm(node)
        session = SqlSession(node, "admin", "postgres", {}, [])
        assert warming.STATEMENTS[3] in session.plans
        session.close()
        assert (node.begun, node.open_transactions, dict(node.sessions)) == (before, 0, {})

    run(tmp_path, work)


def test_what_fails_is_no_reason_not_to_serve(tmp_path):
    class Refusing(SqlSession):
        def query(self, sql):
            raise PgError("57P03", "region us-west-2 has lost the majority of the regions")

    async def work(node):
        node.refused, node.kinds = 7, suspending.Kinds(Refusing, Refusing)
        await warming.warm(node)
        assert node.refused == 0

    run(tmp_path, work)
