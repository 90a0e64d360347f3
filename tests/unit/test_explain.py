"""EXPLAIN in DSQL's look: what the query processor does, what storage does, and what ANALYZE measures."""

import json
import re

from pygwire import messages as pg

from tests.sessions import Client, run

TABLES = [
    "CREATE TABLE t (id int PRIMARY KEY, k int, v text, w int)",
    "CREATE INDEX ASYNC tk ON t (k) INCLUDE (w)",
    "CREATE TABLE h (a int)",
]


async def prepared(node):
    client = Client(node)
    for statement in TABLES[:1]:
        await client.query(statement)
    [(job,), *_rest] = await client.rows(TABLES[1])
    await client.query(f"CALL sys.wait_for_job('{job}')")
    await client.query(TABLES[2])
    await client.query("INSERT INTO t VALUES (1, 1, 'a', 1), (2, 1, 'b', 2), (3, 2, 'bc', 3)")
    return client


def explained(tmp_path, *statements):
    async def work(node):
        client = await prepared(node)
        return [[line for (line,) in await client.rows(statement)] for statement in statements]

    return run(tmp_path, work)


def test_what_storage_does_stands_below_the_scan(tmp_path):
    whole, key, index, covered = explained(
        tmp_path,
        "EXPLAIN (COSTS OFF) SELECT a FROM h WHERE a > 3 AND a % 2 = 1",
        "EXPLAIN (COSTS OFF) SELECT v FROM t WHERE id = 1",
        "EXPLAIN (COSTS OFF) SELECT v FROM t WHERE k = 1 AND v = 'b' ORDER BY v",
        "EXPLAIN (COSTS OFF) SELECT w FROM t WHERE k = 1 AND w > 1",
    )
    assert whole == [
        "Full Scan (btree-table) on h",
        "  Filter: ((a % 2) = 1)",
        "  -> Storage Scan on h",
        "      Projections: a",
        "      Filters: (a > 3)",
        "      -> B-Tree Scan on h",
    ]
    assert key == [
        "Index Only Scan using t_pkey on t",
        "  Index Cond: (id = 1)",
        "  -> Storage Scan on t_pkey",
        "      Projections: id, v",
        "      -> B-Tree Scan on t_pkey",
        "          Index Cond: (id = 1)",
    ]
    assert index == [
        "Sort",
        "  Sort Key: v",
        "  ->  Index Scan using tk on t",
        "        Index Cond: (k = 1)",
        "        -> Storage Scan on tk",
        "            -> B-Tree Scan on tk",
        "                Index Cond: (k = 1)",
        "        -> Storage Lookup on t",
        "            Projections: k, v",
        "            Filters: (v = 'b'::text)",
        "            -> B-Tree Lookup on t",
    ]
    assert covered == [
        "Index Only Scan using tk on t",
        "  Index Cond: (k = 1)",
        "  -> Storage Scan on tk",
        "      Projections: k, w",
        "      Filters: (w > 1)",
        "      -> B-Tree Scan on tk",
        "          Index Cond: (k = 1)",
    ]


def test_a_constant_query_reads_like_postgresql(tmp_path):
    assert explained(tmp_path, "EXPLAIN SELECT 1") == [["Result  (cost=0.00..0.01 rows=1 width=4)"]]


def test_analyze_counts_rows_and_loops_of_every_operator(tmp_path):
    [lines] = explained(
        tmp_path,
        "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF)"
        " SELECT b.v FROM t a JOIN t b ON a.k = b.id WHERE a.w > 1",
    )
    counted = [re.sub(r" (using|on) .* \(", " (", line.strip()) for line in lines if "rows=" in line]
    assert counted == [
        "Nested Loop (actual rows=2 loops=1)",
        "->  Index Only Scan (actual rows=2 loops=1)",
        "-> Storage Scan (actual rows=2 loops=1)",
        "->  Index Only Scan (actual rows=1 loops=2)",
        "-> Storage Scan (actual rows=1 loops=2)",
        "-> B-Tree Scan (actual rows=1 loops=2)",
    ]


def test_an_operator_that_is_not_read_to_its_end_has_taken_time_too(tmp_path):
    async def work(node):
        client = await prepared(node)
        answers = await client.query("EXPLAIN (ANALYZE, FORMAT JSON) SELECT * FROM t LIMIT 1")
        return json.loads(answers[-2][0])[0]["Plan"]

    limit = run(tmp_path, work)
    [scan] = limit["Plans"]
    assert 0 < scan["Actual Startup Time"] <= scan["Actual Total Time"]


def test_analyze_verbose_estimates_the_cost_on_aws(tmp_path):
    analyzed, verbose, update = explained(
        tmp_path,
        "EXPLAIN ANALYZE SELECT * FROM t",
        "EXPLAIN (ANALYZE, VERBOSE) SELECT v FROM t",
        "EXPLAIN (ANALYZE, VERBOSE) UPDATE t SET w = 1 WHERE id = 1",
    )
    assert not any("DPU" in line for line in analyzed)
    assert verbose[:2] == [re.sub(r"t_pkey on t", "t_pkey on public.t", verbose[0]), "  Output: v"]
    names = [line.split(":")[0] for line in verbose[-8:]]
    assert names == [
        "Query Identifier", "Planning Time", "Execution Time", "Statement DPU Estimate",
        "  Compute", "  Read", "  Write", "  Total",
    ]  # fmt: skip
    assert re.fullmatch(r"Query Identifier: [a-z2-7]{13}", verbose[-8])
    assert verbose[-2] == "  Write: 0.00000 DPU"
    assert re.fullmatch(r"  Write: 0\.00\d+ DPU \(Transaction minimum: 0\.05000\)", update[-2])


def test_the_plan_as_json(tmp_path):
    async def work(node):
        client = await prepared(node)
        answers = await client.query(
            "EXPLAIN (FORMAT JSON, COSTS OFF) SELECT v FROM t WHERE k = 1 AND v LIKE '%b'"
        )
        return json.loads(answers[-2][0])

    assert run(tmp_path, work) == [
        {
            "Plan": {
                "Node Type": "Index Scan", "Scan Direction": "Forward", "Index Name": "tk",
                "Relation Name": "t", "Alias": "t", "Filter": "(v ~~ '%b'::text)", "Index Cond": "(k = 1)",
                "Plans": [
                    {
                        "Node Type": "Storage Scan", "Relation Name": "tk", "Alias": "tk",
                        "Plans": [
                            {
                                "Node Type": "B-Tree Scan", "Relation Name": "tk", "Alias": "tk",
                                "Index Cond": "(k = 1)",
                            }
                        ],
                    },
                    {
                        "Node Type": "Storage Lookup", "Relation Name": "t", "Alias": "t",
                        "Projections": ["k", "v"],
                        "Plans": [{"Node Type": "B-Tree Lookup", "Relation Name": "t", "Alias": "t"}],
                    },
                ],
            }
        }
    ]  # fmt: skip


def test_options_that_need_others_or_do_not_exist_are_refused(tmp_path):
    async def work(node):
        client = Client(node)
        return [
            await client.query(f"EXPLAIN ({option}) SELECT 1")
            for option in ("timing", "nope", "format xml", "costs maybe")
        ]

    assert run(tmp_path, work) == [
        ["ERROR 22023 EXPLAIN option TIMING requires ANALYZE"],
        ['ERROR 42601 unrecognized EXPLAIN option "nope"'],
        ["ERROR 0A000 OpenDSQL does not support EXPLAIN (FORMAT XML) yet"],
        ["ERROR 42601 costs requires a Boolean value"],
    ]


def test_parameters_of_the_extended_protocol_stand_in_the_plan_as_their_values(tmp_path):
    """Each statement is explained as with its values in their places; GENERIC_PLAN leaves the parameters."""
    cases = [
        ("SELECT v FROM t WHERE id = $1", ["1"], "SELECT v FROM t WHERE id = 1"),
        ("SELECT w FROM t WHERE k = $1 AND w > $2", ["1", "7"], "SELECT w FROM t WHERE k = 1 AND w > 7"),
        (
            "SELECT a FROM h WHERE EXISTS (SELECT FROM t WHERE id = h.a AND v = $1) LIMIT $2",
            ["x", "3"],
            "SELECT a FROM h WHERE EXISTS (SELECT FROM t WHERE id = h.a AND v = 'x'::text) LIMIT 3",
        ),
        ("SELECT v FROM t WHERE v = $1", [None], "SELECT v FROM t WHERE v = NULL::text"),
        ("UPDATE t SET v = $1 WHERE id = $2", ["x", "2"], "UPDATE t SET v = 'x'::text WHERE id = 2"),
        ("INSERT INTO t VALUES ($1, $2)", ["9", "8"], "INSERT INTO t VALUES (9, 8)"),
        ("VALUES ($1), ($2)", ["a", "b"], "VALUES ('a'::text), ('b'::text)"),
    ]

    async def work(node):
        client = await prepared(node)
        for sql, values, same in cases:
            for options in (
                "(COSTS OFF)",
                "(VERBOSE, COSTS ON)",
                "(ANALYZE, TIMING OFF, SUMMARY OFF, COSTS OFF)",
            ):
                await client.query("BEGIN")
                ours = await client.extended(f"EXPLAIN {options} {sql}", *values)
                await client.query("ROLLBACK; BEGIN")
                theirs = await client.query(f"EXPLAIN {options} {same}")
                await client.query("ROLLBACK")
                assert [each for each in ours if "Identifier" not in each[0]] == [
                    each for each in theirs if "Identifier" not in each[0]
                ]
        described = await client.send(
            pg.Parse(query=f"EXPLAIN {cases[1][0]}"), pg.Describe(kind="S"), pg.Sync()
        )
        assert "ERROR" not in str(described)
        [prepared_statement] = client.session.statements.values()
        assert [kind.name for kind in prepared_statement.param_types] == ["int4", "int4"]
        generic = "EXPLAIN (GENERIC_PLAN, COSTS OFF) SELECT v FROM t WHERE id = $1"
        assert await client.query(generic) == await client.extended(generic, "1")
        assert ("  Index Cond: (id = $1)",) in await client.query(generic)

    run(tmp_path, work)


def test_an_explained_statement_is_prepared_again_when_its_table_has_changed(tmp_path):
    async def work(node):
        client, other = await prepared(node), Client(node)
        sql = "EXPLAIN (COSTS OFF) SELECT v FROM t WHERE id = $1"
        await client.send(pg.Parse(query=sql, statement="s"), pg.Sync())
        execute = [pg.Bind(statement="s", param_values=[b"1"]), pg.Execute(), pg.Sync()]
        first = await client.send(*execute)
        assert ("  Index Cond: (id = 1)",) in first
        await other.query("SELECT 1")
        await other.query("ALTER TABLE t ADD COLUMN z int")
        assert "OC001" in (await client.send(*execute))[-1]
        assert await client.send(*execute) == first
        moment = "EXPLAIN (ANALYZE, COSTS OFF) SELECT WHERE $1::timestamptz = now()"
        await client.send(pg.Parse(query=moment, statement="m"), pg.Sync())
        shown = await client.send(pg.Bind(statement="m", param_values=[b"now"]), pg.Execute(), pg.Sync())
        assert "rows=1" in str(shown), shown

    run(tmp_path, work)
