"""psql's view of roles, grants and default privileges: PostgreSQL's text, byte for byte."""

from collections.abc import Iterator

import psycopg
import pytest

from tests.catalog_sample import Both, create
from tests.catalog_sample import both as both

pytestmark = pytest.mark.slow

SETUP = """
CREATE ROLE pp_ann LOGIN;
CREATE ROLE pp_bob LOGIN NOINHERIT;
CREATE ROLE pp_group;
CREATE ROLE "pp Odd" IN ROLE pp_group;
GRANT pp_group TO pp_ann WITH ADMIN OPTION;
GRANT pp_group TO pp_bob WITH INHERIT FALSE, SET FALSE;
CREATE SCHEMA pp;
GRANT USAGE, CREATE ON SCHEMA pp TO pp_ann WITH GRANT OPTION;
GRANT USAGE ON SCHEMA pp TO PUBLIC;
CREATE TABLE pp.plain (id int PRIMARY KEY);
CREATE TABLE pp.granted (id int PRIMARY KEY, v int, w text);
GRANT SELECT, UPDATE ON pp.granted TO pp_ann WITH GRANT OPTION;
GRANT ALL ON pp.granted TO "pp Odd";
GRANT INSERT (v), SELECT (v, w) ON pp.granted TO pp_group, PUBLIC;
CREATE TABLE pp.revoked (id int PRIMARY KEY);
REVOKE ALL ON pp.revoked FROM admin;
ALTER DEFAULT PRIVILEGES FOR ROLE pp_ann GRANT SELECT, INSERT ON TABLES TO pp_bob WITH GRANT OPTION;
ALTER DEFAULT PRIVILEGES FOR ROLE pp_ann IN SCHEMA pp GRANT UPDATE ON TABLES TO PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE pp_ann REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE pp_ann GRANT USAGE ON SCHEMAS TO pp_group;
ALTER DEFAULT PRIVILEGES IN SCHEMA pp GRANT SELECT ON SEQUENCES TO pp_bob;
ALTER DEFAULT PRIVILEGES GRANT USAGE ON TYPES TO pp_bob
"""
END = """
DROP SCHEMA pp CASCADE;
ALTER DEFAULT PRIVILEGES FOR ROLE pp_ann REVOKE ALL ON TABLES FROM pp_bob;
ALTER DEFAULT PRIVILEGES FOR ROLE pp_ann GRANT EXECUTE ON FUNCTIONS TO PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE pp_ann REVOKE ALL ON SCHEMAS FROM pp_group;
ALTER DEFAULT PRIVILEGES REVOKE USAGE ON TYPES FROM pp_bob;
DROP ROLE pp_ann;
DROP ROLE pp_bob;
DROP ROLE "pp Odd";
DROP ROLE pp_group
"""


@pytest.fixture(scope="module")
def granted(both: Both) -> Iterator[Both]:
    """Both servers after SETUP."""
    for dsn in (both.ours, both.theirs):
        create(dsn, SETUP)
    yield both
    for dsn in (both.ours, both.theirs):
        create(dsn, END)


@pytest.mark.parametrize(
    "command",
    [
        r"\dp pp.*",
        r"\z pp.granted",
        r"\dn+ pp",
        r"\ddp",
        r"\ddp pp",
        r"\du pp*",
        r"\du+ pp*",
        r"\dg pp_group",
    ],
)
def test_the_text_is_the_same(granted: Both, command: str) -> None:
    shown = granted.psql(granted.ours, command)
    assert shown == granted.psql(granted.theirs, command)
    assert len(shown) > 4


def test_it_is_the_same_for_a_role_that_sees_less(granted: Both) -> None:
    for command in (r"\dp pp.*", r"\ddp", r"\du pp*", r"\dn+ pp"):
        ours, theirs = (dsn.replace("user=admin", "user=pp_bob") for dsn in (granted.ours, granted.theirs))
        assert granted.psql(ours, command) == granted.psql(theirs, command)


def test_what_dumps_ask(granted: Both) -> None:
    """pg_dump reads lists beside their defaults."""
    sql = (
        "SELECT c.relname, c.relacl, acldefault('r', c.relowner), a.attname, a.attacl"
        " FROM pg_class c LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attacl IS NOT NULL"
        " WHERE c.relnamespace = 'pp'::regnamespace AND c.relkind = 'r' ORDER BY 1, 4"
    )
    rows = []
    for dsn in (granted.ours, granted.theirs):
        with psycopg.connect(dsn, autocommit=True) as connection:
            rows.append(connection.execute(sql).fetchall())
    assert rows[0] == rows[1]
