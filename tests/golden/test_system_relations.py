"""Columns of the system relations, and what they say of the same objects, beside a real PostgreSQL 16."""

from pathlib import Path

import psycopg
import pytest

from server.catalog.system_relation import RELATIONS
from tests.catalog_sample import Both
from tests.catalog_sample import both as both
from tests.postgres import Postgres

pytestmark = pytest.mark.slow

MISSING_TYPES = {
    "pg_lsn", "pg_ndistinct", "pg_dependencies", "pg_mcv_list", "_pg_statistic",
}  # fmt: skip
"""Types that we do not have: their columns, never filled, are text."""

COLUMNS = """
SELECT n.nspname, c.relname, c.oid::int, a.attname, coalesce(b.oid, t.oid)::int,
    coalesce(b.typname, t.typname),
    CASE t.typname WHEN 'yes_or_no' THEN 7 ELSE a.atttypmod END, a.attnotnull AND c.relkind = 'r', c.relkind
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid
    JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_type b ON b.oid = t.typbasetype
WHERE n.nspname IN ('pg_catalog', 'information_schema') AND c.relkind IN ('r', 'v') AND a.attnum > 0
ORDER BY c.oid, a.attnum
"""


def test_columns_are_those_of_postgresql(postgres: Postgres) -> None:
    if postgres.version != 16:
        pytest.skip("the columns of another version differ")
    theirs: dict[tuple[str, str], list[tuple[object, ...]]] = {}
    with postgres.connect() as connection:
        for schema, name, oid, column, type_oid, type_name, *rest in connection.execute(COLUMNS):
            kind = (25 if type_name[0] != "_" else 1009) if type_name in MISSING_TYPES else type_oid
            theirs.setdefault((schema, name), []).append((column, kind, *rest))
            assert (schema, name) not in RELATIONS or RELATIONS[schema, name].oid == oid
    for key, relation in RELATIONS.items():
        if key[0] in ("sys", "opendsql"):
            continue
        ours = [
            (column.name, column.type.oid, column.typmod, strict, relation.kind)
            for column, strict in zip(relation.columns, relation.not_null, strict=True)
        ]
        assert ours == theirs[key], key


def test_oids_are_unique() -> None:
    assert len({relation.oid for relation in RELATIONS.values()}) == len(RELATIONS)


def _blocks() -> dict[str, str]:
    text = (Path(__file__).parent / "system_equal.sql").read_text()
    blocks = (block.split("\n", 1) for block in text.split("\n-- ")[1:])
    return {name.strip(): query.strip() for name, query in blocks}


EQUAL = _blocks()


@pytest.mark.parametrize("name", EQUAL)
def test_the_same_objects_read_the_same(both: Both, name: str) -> None:
    assert both.rows(both.ours, EQUAL[name]) == both.rows(both.theirs, EQUAL[name])


OF_A_ROLE = [
    "columns", "tables", "schemata", "table_constraints", "check_constraints", "key_column_usage",
    "constraint_column_usage", "table_privileges", "role_table_grants", "column_privileges", "schemas",
    "pg_class", "pg_tables",
]  # fmt: skip


@pytest.mark.parametrize("name", OF_A_ROLE)
def test_a_role_sees_what_it_has_privileges_for(both: Both, name: str) -> None:
    ours, theirs = (dsn.replace("user=admin", "user=reader") for dsn in (both.ours, both.theirs))
    assert both.rows(ours, EQUAL[name]) == both.rows(theirs, EQUAL[name])


@pytest.mark.parametrize("relation", ["pg_authid", "pg_shadow"])
def test_only_admin_reads_who_has_a_password(both: Both, relation: str) -> None:
    ours, theirs = (dsn.replace("user=admin", "user=reader") for dsn in (both.ours, both.theirs))
    query = f"SELECT * FROM {relation}"
    assert both.psql(ours, query) == both.psql(theirs, query)
    assert "ERROR" not in "".join(both.psql(both.ours, query))


def test_a_name_in_a_schema_without_usage_is_not_told(both: Both) -> None:
    ours, theirs = (dsn.replace("user=admin", "user=reader") for dsn in (both.ours, both.theirs))
    query = "SELECT 'app.nopk'::regclass"
    assert (
        both.psql(ours, query)[0] == both.psql(theirs, query)[0] == "ERROR:  permission denied for schema app"
    )


def test_index_definitions_are_in_the_form_of_dsql(both: Both) -> None:
    query = "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'"
    assert {row[0]: row[1] for row in both.rows(both.ours, query)} == {
        "t_pkey": "CREATE UNIQUE INDEX t_pkey ON public.t USING btree_index (id) INCLUDE (a, b, c, d)",
        "t_a_b_key": "CREATE UNIQUE INDEX t_a_b_key ON public.t USING btree_index (a, b)",
        "t_c_idx": "CREATE INDEX t_c_idx ON public.t USING btree_index (c) INCLUDE (d)",
        "t_lower_expr_d_idx": "CREATE INDEX t_lower_expr_d_idx ON public.t USING btree_index "
        "(lower((c)::text), ((b + (1)::numeric))) INCLUDE (d) WHERE ((a <> ''::text) AND (b IS NOT NULL))",
        "Weird-T_pkey": 'CREATE UNIQUE INDEX "Weird-T_pkey" ON public."Weird-T" '
        "USING btree_index (l, k) INCLUDE (m, n)",
        "W idx": 'CREATE UNIQUE INDEX "W idx" ON public."Weird-T" USING btree_index (m NULLS FIRST, k)',
    }


def test_every_relation_can_be_read(both: Both) -> None:
    for schema, name in RELATIONS:
        both.rows(both.ours, f"SELECT * FROM {schema}.{name}")


ERRORS = [
    "SELECT 'nope'::regclass",
    "SELECT 'no.pe'::regclass",
    "SELECT 'a.b.c.d'::regclass",
    "SELECT 'a..b'::regclass",
    "SELECT '\"a'::regclass",
    "SELECT 'nope'::regtype",
    "SELECT 'nope'::regproc",
    "SELECT 'lower(int)'::regprocedure::text",
    "SELECT 'length'::regproc",
    "SELECT 'nope'::regnamespace",
    "SELECT 'nope'::regrole",
    "SELECT has_table_privilege('t', 'FLY')",
    "SELECT has_table_privilege('nobody', 't', 'SELECT')",
    "SELECT has_table_privilege('nope', 'SELECT')",
    "SELECT has_schema_privilege('nope', 'USAGE')",
    "SELECT has_column_privilege('t', 'nope', 'SELECT')",
    "SELECT pg_get_serial_sequence('t', 'nope')",
    "SELECT 'nobody=r/admin'::aclitem",
]


@pytest.mark.parametrize("sql", ERRORS)
def test_errors_read_the_same(both: Both, sql: str) -> None:
    ours, theirs = both.psql(both.ours, sql), both.psql(both.theirs, sql)
    assert theirs[0].startswith("ERROR") and ours[0] == theirs[0]


def test_a_name_is_read_in_the_catalog_of_its_own_session(both: Both) -> None:
    """Plans are shared by sessions; the tables that another one renames in its transaction are not."""
    query = "SELECT indrelid::regclass FROM pg_index WHERE indexrelid = 't_pkey'::regclass"
    with (
        psycopg.connect(both.ours, autocommit=True) as one,
        psycopg.connect(both.ours, autocommit=True) as two,
    ):
        assert one.execute(query).fetchall() == [("t",)]
        one.execute("BEGIN")
        one.execute("ALTER TABLE t RENAME TO renamed")
        assert (one.execute(query).fetchall(), two.execute(query).fetchall()) == ([("renamed",)], [("t",)])
        one.execute("ROLLBACK")
        assert one.execute(query).fetchall() == [("t",)]


def test_sys(both: Both) -> None:
    assert both.rows(both.ours, "SELECT sys.dsql_major_version()") == [("1",)]
    assert "does not exist" in both.psql(both.ours, "SELECT dsql_major_version()")[0]
    assert both.rows(both.ours, "SELECT * FROM sys.iam_pg_role_mappings") == []
    jobs = "SELECT job_type, class_id::regclass, object_name, length(job_id) FROM sys.jobs"
    assert ("INDEX_BUILD", "pg_class", "public.t_c_idx", "26") in both.rows(both.ours, jobs)


def test_sessions_and_settings(both: Both) -> None:
    own = """SELECT datname, usename, application_name, backend_type FROM pg_stat_activity
        WHERE pid = pg_backend_pid()"""
    assert both.rows(both.ours, own) == [("postgres", "admin", "", "client backend")]
    settings = "SELECT name, setting, context FROM pg_settings WHERE name IN ('DateStyle', 'server_encoding')"
    assert both.rows(both.ours, settings) == [
        ("DateStyle", "ISO, MDY", "user"),
        ("server_encoding", "UTF8", "internal"),
    ]
