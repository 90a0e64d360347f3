"""The binder's trees, parameters, lifted literals and privileges."""

import pytest

from server.errors import PgError
from server.sql import tree
from server.sql.bind import NotLiftable, bind, bind_scalar
from server.sql.env import Env
from server.sql.parse import parse_expression, parse_lifted
from server.sql.scanner import lift
from server.sql.types import BOOL, INT4, INT8, NUMERIC, TEXT, TIMESTAMPTZ, VARCHAR, Type
from tests.binding import CATALOG, T, bound
from tests.golden.test_binding import statements


def query(sql: str, *types: str) -> tree.Query:
    """A bound SELECT."""
    made = bound(sql, *types).statement
    assert isinstance(made, tree.Query)
    return made


def first(sql: str, *types: str) -> tree.Expr:
    """The first output's expression."""
    return query(sql, *types).targets[0].expr


def refused(sql: str, *types: str) -> PgError:
    """The error that the statement gives."""
    with pytest.raises(PgError) as caught:
        bound(sql, *types)
    return caught.value


# --- parameters


def test_types_of_the_client_stand() -> None:
    assert bound("SELECT $1, $2", "int8", "text").param_types == (INT8, TEXT)


def test_a_declared_parameter_is_cast_where_its_type_does_not_fit() -> None:
    made = bound("SELECT a FROM t WHERE c = $1", "int4")
    assert made.param_types == (INT4,)


def test_a_second_use_as_another_type_is_refused() -> None:
    failure = refused("SELECT coalesce($1, now()) FROM t WHERE coalesce(NULL, $1) = 1 AND b = $1")
    assert failure.sqlstate in ("42883", "42P08")


def test_inconsistent_types_name_both() -> None:
    failure = refused("SELECT greatest($1, $1 || 'x', 5)")
    assert failure.sqlstate in ("42P08", "42804")


# --- lifted literals


def lifted(sql: str, given: int = 0) -> tuple[tree.Bound, list[tuple[str, str]]]:
    """The statement bound with its literals lifted; `given` client parameters of unknown type."""
    found = lift(sql)
    assert found is not None
    parsed = parse_lifted(found)
    return bind(parsed.statement, CATALOG, Env(), [None] * given, found.literals), found.literals


@pytest.mark.parametrize(
    ("sql", "types"),
    [
        ("SELECT a FROM t WHERE id = 5", (INT4,)),
        ("SELECT a FROM t WHERE id = 99999999999", (INT8,)),
        ("SELECT a FROM t WHERE c = 1.5", (NUMERIC,)),
        ("SELECT a FROM t WHERE id = '5'", (INT4,)),
        ("SELECT a FROM t WHERE d > '2020-01-01'", (TIMESTAMPTZ,)),
        ("SELECT 'x'", (TEXT,)),
        ("SELECT a FROM t WHERE f = 'yes'", (BOOL,)),
        ("INSERT INTO t (id, b, d) VALUES (1, 'x', '2020-01-01')", (INT4, TEXT, TIMESTAMPTZ)),
        ("INSERT INTO t (id, e) VALUES (1, 'x'), (2, 'y')", (INT4, VARCHAR, INT4, VARCHAR)),
        ("UPDATE t SET b = 'x' WHERE id = 1 AND a IN (1, 2)", (TEXT, INT4, INT4, INT4)),
    ],
)
def test_lifted_literals_have_the_types_of_their_places(sql: str, types: tuple[Type, ...]) -> None:
    assert lifted(sql)[0].param_types == types


def test_lifted_literals_follow_the_clients_parameters() -> None:
    made, literals = lifted("SELECT a FROM t WHERE id = $1 AND b = 'x'", given=1)
    assert made.param_types == (INT4, TEXT)
    assert literals == [("s", "x")]


@pytest.mark.parametrize("sql", ["SELECT a FROM t WHERE a = 'x' + now()", "SELECT nope FROM t WHERE id = 1"])
def test_every_error_asks_for_the_statements_own_text(sql: str) -> None:
    with pytest.raises(NotLiftable):
        lifted(sql)


def _lifted_or_none(sql: str) -> tree.Bound | None:
    found = lift(sql)
    if found is None or not found.literals:
        return None
    try:
        parsed = parse_lifted(found)
    except (NotLiftable, PgError):
        return None
    try:
        return bind(parsed.statement, CATALOG, Env(), [None] * parsed.parameters, found.literals)
    except NotLiftable:
        return None


def test_lifting_changes_no_answer() -> None:
    compared = 0
    for sql in statements():
        made = _lifted_or_none(sql)
        if made is None:
            continue
        try:
            plain = bound(sql)
        except PgError as failure:
            assert failure.sqlstate.startswith("22"), sql
            continue
        assert [(c.name, c.type, c.typmod) for c in made.columns] == [
            (c.name, c.type, c.typmod) for c in plain.columns
        ], sql
        assert made.tables == plain.tables, sql
        compared += 1
    assert compared > 100


def test_nesting_without_end_is_refused() -> None:
    assert refused(" UNION ALL ".join(["SELECT 1"] * 3000)).sqlstate == "54001"


# --- trees


def test_a_merged_column_is_the_side_that_always_has_a_row() -> None:
    inner = first("SELECT id FROM t JOIN u USING (id)")
    right = first("SELECT id FROM t RIGHT JOIN u USING (id)")
    full = first("SELECT id FROM t FULL JOIN u USING (id)")
    assert isinstance(inner, tree.Var) and isinstance(right, tree.Var)
    assert inner.rel != right.rel
    assert isinstance(full, tree.Coalesce)


def test_in_with_equal_types_is_one_any() -> None:
    where = query("SELECT a FROM t WHERE a IN (1, 2, 3)").where
    assert isinstance(where, tree.ArrayOp) and where.operator == "="
    assert isinstance(where.right, tree.ArrayExpr) and len(where.right.items) == 3


def test_in_with_columns_among_the_items_is_an_or() -> None:
    where = query("SELECT a FROM t WHERE a IN (1, id, 2)").where
    assert isinstance(where, tree.BoolExpr) and where.op == "or" and len(where.args) == 2


def test_equal_expressions_at_different_places_are_equal() -> None:
    made = query("SELECT a + 1, count(*) FROM t GROUP BY a + 1")
    assert made.targets[0].expr == made.group_by[0]


def test_sides_of_a_union_have_its_types() -> None:
    made = query("SELECT 1 UNION SELECT 2.5").set_op
    assert made is not None
    assert made.left.targets[0].expr.type is made.right.targets[0].expr.type is NUMERIC


def test_what_distinct_compares_is_converted_above_it() -> None:
    made = query("(SELECT DISTINCT a FROM t) UNION ALL SELECT 2.5").set_op
    assert made is not None
    assert not made.left.distinct
    inner = made.left.rels[0]
    assert isinstance(inner, tree.QueryRel) and inner.query.distinct


def test_an_outer_aggregate_belongs_to_the_outer_query() -> None:
    assert query("SELECT (SELECT sum(t.a) FROM u LIMIT 1) FROM t").grouped
    assert not query("SELECT (SELECT sum(u.id) FROM u) FROM t").grouped


def test_equality_of_an_in_subquery_can_be_hashed() -> None:
    where = query("SELECT * FROM t WHERE (id, a) IN (SELECT t_id, id FROM u)").where
    assert isinstance(where, tree.SubLink)
    assert [column for _, column, _ in where.equalities] == [0, 1]


def test_limit_is_a_bigint() -> None:
    made = query("SELECT a FROM t LIMIT 5").limit
    assert made is not None and made.type is INT8


def test_origins_go_through_subqueries() -> None:
    made = bound("SELECT x.q FROM (SELECT b AS q FROM t) x")
    assert (made.columns[0].table_oid, made.columns[0].attnum) == (T.oid, 3)


def test_a_cte_knows_how_often_it_is_used() -> None:
    made = query("WITH x AS (SELECT 1 AS n), y AS (SELECT n FROM x) SELECT * FROM x, x AS z")
    assert {cte.name: cte.uses for cte in made.ctes} == {"x": 3, "y": 0}


def test_outer_ctes_count_uses_in_subqueries() -> None:
    made = query("WITH x AS (SELECT 1 AS n) SELECT (SELECT n FROM x) FROM x")
    assert made.ctes[0].uses == 2


# --- changes


def test_insert_fills_in_defaults() -> None:
    made = bound("INSERT INTO t (id) VALUES (1)").statement
    assert isinstance(made, tree.Insert)
    assert len(made.values) == len(T.columns)
    assert isinstance(made.values[1], tree.Const) and made.values[1].value is None
    assert isinstance(made.values[4], tree.Call) and made.values[4].function.name == "now"


def test_default_in_a_row_of_several() -> None:
    made = bound("INSERT INTO t (id, f) VALUES (1, DEFAULT), (2, true)").statement
    assert isinstance(made, tree.Insert) and isinstance(made.source, tree.ValuesRel)
    assert [row[1] for row in made.source.rows] == [tree.Const(BOOL, False), tree.Const(BOOL, True)]


def test_a_set_in_a_row_of_values_makes_rows() -> None:
    made = bound("INSERT INTO t (id, a) VALUES (generate_series(1, 3), 2)").statement
    assert isinstance(made, tree.Insert) and isinstance(made.source, tree.Query)
    assert made.source.has_set_returning
    assert isinstance(made.values[0], tree.Var) and made.values[0].rel == made.source_rel


def test_checks_are_over_the_target() -> None:
    made = bound("UPDATE u SET score = 1").statement
    assert isinstance(made, tree.Update)
    [(name, check)] = made.checks
    assert name == "u_score_check"
    assert (
        isinstance(check, tree.Call) and isinstance(check.args[0], tree.Var) and check.args[0].rel == made.rel
    )


@pytest.mark.parametrize(
    ("target", "arbiters"),
    [("", ()), ("(id)", (16410,)), ("(name)", (16412,)), ("ON CONSTRAINT u_name_key", (16412,))],
)
def test_arbiters(target: str, arbiters: tuple[int, ...]) -> None:
    made = bound(f"INSERT INTO u (id) VALUES (1) ON CONFLICT {target} DO NOTHING").statement
    assert isinstance(made, tree.Insert) and made.on_conflict is not None
    assert made.on_conflict.arbiters == arbiters


def test_no_index_is_an_arbiter_for_other_columns() -> None:
    assert refused("INSERT INTO two VALUES (1, 2) ON CONFLICT (x) DO NOTHING").sqlstate == "42P10"


def test_excluded_is_a_relation_of_its_own() -> None:
    made = bound(
        "INSERT INTO t (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET a = excluded.a + t.a"
    ).statement
    assert isinstance(made, tree.Insert) and made.on_conflict is not None
    [(column, value)] = made.on_conflict.sets
    assert column == 1 and isinstance(value, tree.Call)
    assert [arg.rel for arg in value.args if isinstance(arg, tree.Var)] == [
        made.on_conflict.excluded_rel,
        made.rel,
    ]


def test_assignment_applies_the_columns_modifier() -> None:
    made = bound("UPDATE t SET e = 'abcdef'").statement
    assert isinstance(made, tree.Update)
    assert isinstance(made.query.targets[0].expr, tree.ApplyTypmod)


# --- privileges and locks


@pytest.mark.parametrize(
    ("sql", "needed"),
    [
        ("SELECT 1 FROM t", {(16400, "SELECT")}),
        ("INSERT INTO t (id) VALUES (1)", {(16400, "INSERT")}),
        ("INSERT INTO t (id) VALUES (1) RETURNING id", {(16400, "INSERT"), (16400, "SELECT")}),
        ("UPDATE t SET a = 1", {(16400, "UPDATE")}),
        ("UPDATE t SET a = a + 1", {(16400, "UPDATE"), (16400, "SELECT")}),
        ("DELETE FROM t USING u", {(16400, "DELETE"), (16410, "SELECT")}),
        ("SELECT 1 FROM t FOR UPDATE", {(16400, "SELECT"), (16400, "UPDATE")}),
        (
            "INSERT INTO t (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET a = 1",
            {(16400, "INSERT"), (16400, "UPDATE"), (16400, "SELECT")},
        ),
    ],
)
def test_privileges(sql: str, needed: set[tuple[int, str]]) -> None:
    assert set(bound(sql).tables) >= needed
    assert {privilege for _, privilege in bound(sql).tables} == {privilege for _, privilege in needed}


def test_locks_of_the_named_tables_only() -> None:
    made = query("SELECT * FROM t, u FOR UPDATE OF u")
    assert len(made.locks) == 1
    assert [rel.id for rel in made.rels if isinstance(rel, tree.TableRel) and rel.alias == "u"] == [
        made.locks[0].rel
    ]


def test_a_lock_on_a_subquery_is_one_on_its_tables() -> None:
    made = query("SELECT * FROM (SELECT a FROM t) x FOR UPDATE")
    inner = made.rels[0]
    assert isinstance(inner, tree.QueryRel)
    assert not made.locks and [lock.rel for lock in inner.query.locks] == [inner.query.rels[0].id]


@pytest.mark.parametrize("strength", ["SHARE", "NO KEY UPDATE"])
def test_other_lock_strengths_are_refused_as_in_dsql(strength: str) -> None:
    failure = refused(f"SELECT * FROM t FOR {strength}")
    assert failure.sqlstate == "0A000"
    assert failure.message == "locking clauses other than FOR UPDATE/FOR KEY SHARE are not supported"


# --- stand-alone expressions


@pytest.mark.parametrize(
    ("text", "purpose", "sqlstate", "message"),
    [
        ("a", "default:b", "0A000", "cannot use column reference in DEFAULT expression"),
        ("(SELECT 1)", "default:b", "0A000", "cannot use subquery in DEFAULT expression"),
        ("count(*)", "default:b", "42803", "aggregate functions are not allowed in DEFAULT expressions"),
        (
            "row_number() OVER ()",
            "default:b",
            "42P20",
            "window functions are not allowed in DEFAULT expressions",
        ),
        (
            "generate_series(1, 2)",
            "default:b",
            "0A000",
            "set-returning functions are not allowed in DEFAULT expressions",
        ),
        ("$1", "default:b", "42P02", "there is no parameter $1"),
        ("a > (SELECT 1)", "check", "0A000", "cannot use subquery in check constraint"),
        ("count(*) > 1", "check", "42803", "aggregate functions are not allowed in check constraints"),
        ("a", "check", "42804", "argument of CHECK must be type boolean, not type integer"),
        ("nope > 1", "check", "42703", 'column "nope" does not exist'),
    ],
)
def test_restrictions(text: str, purpose: str, sqlstate: str, message: str) -> None:
    with pytest.raises(PgError) as caught:
        bind_scalar(parse_expression(text), T, Env(), CATALOG, None, purpose)
    assert (caught.value.sqlstate, caught.value.message) == (sqlstate, message)


def test_a_default_of_the_wrong_type_names_the_column() -> None:
    with pytest.raises(PgError) as caught:
        bind_scalar(parse_expression("now()"), None, Env(), CATALOG, (INT4, -1), "default:a")
    expected = 'column "a" is of type integer but default expression is of type timestamp with time zone'
    assert (caught.value.sqlstate, caught.value.message) == ("42804", expected)


def test_the_search_path_decides_the_table() -> None:
    class Path(Env):
        search_path = ("other", "public")

    made = bound("SELECT * FROM t", env=Path())
    assert made.tables == ((16440, "SELECT"),)
