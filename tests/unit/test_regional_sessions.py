"""Sessions of a region that may not serve, and sessions that come to a process whose clock is less sure than theirs."""

import asyncio

import pytest
from pygwire import messages as pg

from server.errors import PgError
from server.runtime.node import Node
from server.session import regional, suspending
from tests import sessions
from tests.region_nodes import WEST, Nodes
from tests.sessions import extended
from tests.unit.test_keeping import FAR, commit, until

REASON = "region us-west-2 has lost the majority of the regions"
REFUSED = f"ERROR 57P03 {REASON}"
ABORTED = "ERROR 25P02 current transaction is aborted, commands ignored until end of transaction block"


class Client(sessions.Client):
    kind = regional.RegionSession


class Cut:
    """Says whether the region may serve."""

    reason: str | None = None

    def __init__(self, node: Node) -> None:
        node.refusal = lambda: self.reason  # type: ignore[attr-defined]


def errors(answers):
    return [each for each in answers if isinstance(each, str) and each.startswith("ERROR")]


@pytest.fixture
def begun():
    """A client in a block, whose region is then cut off."""

    async def begin(node):
        cut, client = Cut(node), Client(node)
        await client.query("create table t (k int primary key)")
        await client.query("begin")
        await client.query("insert into t values (1)")
        cut.reason = REASON
        return client

    return begin


@pytest.mark.parametrize("how", ["simple", "extended"])
def test_a_statement_in_a_block_is_refused_while_the_region_is_cut_off(tmp_path, begun, how):
    async def work(node):
        client = await begun(node)
        ask = client.query if how == "simple" else client.extended
        assert errors(await ask("select k from t")) == [REFUSED]
        assert client.status == "E"
        assert errors(await ask("select k from t")) == [ABORTED]
        assert await client.query("rollback") == ["ROLLBACK"]

    sessions.run(tmp_path, work)


@pytest.mark.parametrize("how", ["simple", "extended"])
@pytest.mark.parametrize("end", ["rollback", "commit", "end"])
def test_what_ends_a_block_is_let_through(tmp_path, begun, how, end):
    async def work(node):
        client = await begun(node)
        ask = client.query if how == "simple" else client.extended
        assert errors(await ask(end)) == []
        assert client.status == "I"

    sessions.run(tmp_path, work)


def test_a_bound_statement_is_refused_too(tmp_path):
    async def work(node):
        cut, client = Cut(node), Client(node)
        await client.query("begin")
        parse, bind, execute = extended("select 1")
        await client.send(parse, bind)
        cut.reason = REASON
        assert errors(await client.send(execute, pg.Sync())) == [REFUSED]

    sessions.run(tmp_path, work)


def test_a_text_that_does_more_than_end_the_block_is_refused(tmp_path, begun):
    async def work(node):
        client = await begun(node)
        assert errors(await client.query("commit; select 1")) == [REFUSED]

    sessions.run(tmp_path, work)


def test_a_resumed_session_is_the_region_s_and_its_host_knows_how_far_it_was(tmp_path):
    async def work(node):
        Cut(node)
        client = Client(node)
        await client.query("begin")
        await client.query("select 1")
        start_ts = client.session.txn.start_ts
        state = suspending.suspend(client.session)
        reached = []
        node.reached = reached.append
        for is_bereft, kind in ((False, regional.RegionSession), (True, regional.RegionBereft)):
            session = suspending.resume(node, state, [], is_bereft=is_bereft, kinds=regional.KINDS)
            assert type(session) is kind
        assert reached == [start_ts, start_ts]

    sessions.run(tmp_path, work)


def test_a_commit_of_a_region_that_is_cut_off_is_refused_before_anybody_is_asked(tmp_path):
    async def all_of_it():
        async with Nodes(tmp_path) as nodes:
            west = nodes.nodes[WEST]
            begun = west.start_ts()
            nodes.cut(WEST)
            await until(lambda: west.refusal() is not None)
            unknown = west.coordinating.unknown
            with pytest.raises(PgError, match="lost the majority") as refused:
                await commit(west, FAR + b"1", b"1", start_ts=begun)
            assert refused.value.sqlstate == "57P03"
            assert (len(west.coordinating), west.coordinating.unknown) == (0, unknown)

    asyncio.run(all_of_it())
