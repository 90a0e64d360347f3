"""AWS IAM GRANT and REVOKE: what they write, what they refuse, how they conflict; sys.iam_pg_role_mappings."""

import pytest

from server.catalog.iam_arn import is_iam_arn
from tests.sessions import Client, run

APP, OPS = "arn:aws:iam::123456789012:role/app", "arn:aws:iam::123456789012:user/team/ops"
OC001 = "ERROR 40001 schema has been updated by another transaction (OC001)"
MAPPINGS = "SELECT arn, pg_role_name, grantor_pg_role_oid, grantor_pg_role_name FROM sys.iam_pg_role_mappings"


async def admin_with_roles(node) -> Client:
    admin = Client(node)
    for statement in ("CREATE ROLE bob WITH LOGIN", "CREATE ROLE eve WITH LOGIN", "CREATE ROLE readers"):
        assert await admin.query(statement) == ["CREATE ROLE"]
    return admin


def test_mappings_come_and_go(tmp_path):
    async def work(node):
        admin = await admin_with_roles(node)
        assert await admin.rows(MAPPINGS) == []
        assert await admin.query(f"AWS IAM GRANT bob TO '{APP}'") == ["AWS IAM GRANT"]
        assert await admin.query(f"AWS IAM GRANT eve TO '{APP}'") == ["AWS IAM GRANT"]
        assert await admin.query(f"aws iam grant bob to '{OPS}'") == ["AWS IAM GRANT"]
        both = [(APP, "bob", "10", "admin"), (OPS, "bob", "10", "admin")]
        assert sorted(await admin.rows(MAPPINGS)) == [both[0], (APP, "eve", "10", "admin"), both[1]]
        oids = await admin.rows(
            "SELECT count(DISTINCT iam_oid), bool_and(pg_role_oid = r.oid) "
            "FROM sys.iam_pg_role_mappings m JOIN pg_roles r ON r.rolname = m.pg_role_name"
        )
        assert oids == [("3", "t")]
        assert await admin.query(f"AWS IAM REVOKE eve FROM '{APP}'") == ["AWS IAM REVOKE"]
        assert sorted(await admin.rows(MAPPINGS)) == both
        assert await admin.query("DROP ROLE bob") == [
            'ERROR 2BP01 role "bob" cannot be dropped because some objects depend on it'
        ]
        assert await admin.query("DROP ROLE eve") == ["DROP ROLE"]

    run(tmp_path, work)


@pytest.mark.parametrize(
    ("statement", "error"),
    [
        (f"AWS IAM GRANT nobody TO '{APP}'", '42704 role "nobody" does not exist'),
        (f"AWS IAM GRANT admin TO '{APP}'", "0A000 Cannot establish trust with role admin"),
        (f"AWS IAM GRANT readers TO '{APP}'", "42501 role readers must have the LOGIN attribute"),
        ("AWS IAM GRANT bob TO 'app'", "22023 IAM role must look like an IAM ARN"),
        (f"AWS IAM GRANT bob TO '{OPS}'", f"42710 IAM role {OPS} is already mapped to role bob"),
        (f"AWS IAM REVOKE bob FROM '{APP}'", f"42704 IAM role {APP} does not exist"),
    ],
)
def test_refusals(tmp_path, statement, error):
    async def work(node):
        admin = await admin_with_roles(node)
        await admin.query(f"AWS IAM GRANT bob TO '{OPS}'")
        assert await admin.query(statement) == [f"ERROR {error}"]

    run(tmp_path, work)


def test_only_admin_grants_trust_and_everybody_sees_it(tmp_path):
    async def work(node):
        admin = await admin_with_roles(node)
        await admin.query(f"AWS IAM GRANT bob TO '{OPS}'")
        bob = Client(node, "bob")
        denied = "ERROR 42501 permission denied to grant IAM trust with role "
        assert await bob.query(f"AWS IAM GRANT bob TO '{APP}'") == [f"{denied}bob"]
        assert await bob.query(f"AWS IAM REVOKE bob FROM '{OPS}'") == [f"{denied}bob"]
        assert [row[0] for row in await bob.rows(MAPPINGS)] == [OPS]

    run(tmp_path, work)


def test_it_is_ddl(tmp_path):
    async def work(node):
        admin = await admin_with_roles(node)
        other = Client(node)
        await admin.query("BEGIN")
        assert await admin.query(f"AWS IAM GRANT bob TO '{APP}'") == ["AWS IAM GRANT"]
        assert len(await admin.rows(MAPPINGS)) == 1
        assert await other.rows(MAPPINGS) == []
        twice = "ERROR 0A000 multiple ddl statements not supported in a transaction"
        assert await admin.query(f"AWS IAM GRANT eve TO '{APP}'") == [twice]
        await admin.query("ROLLBACK")
        assert await admin.rows(MAPPINGS) == []
        for session, role in ((admin, "bob"), (other, "eve")):
            await session.query("BEGIN")
            assert await session.query(f"AWS IAM GRANT {role} TO '{APP}'") == ["AWS IAM GRANT"]
        assert await other.query("COMMIT") == ["COMMIT"]
        assert await admin.query("COMMIT") == [OC001]
        assert [row[1] for row in await admin.rows(MAPPINGS)] == ["eve"]

    run(tmp_path, work)


def test_a_session_that_has_not_looked_since_learns_of_it(tmp_path):
    async def work(node):
        admin = await admin_with_roles(node)
        other = Client(node)
        assert await other.query(f"AWS IAM GRANT eve TO '{APP}'") == ["AWS IAM GRANT"]
        assert await admin.query(f"AWS IAM GRANT bob TO '{APP}'") == ["AWS IAM GRANT"]
        assert await other.query(f"AWS IAM GRANT bob TO '{OPS}'") == [OC001]
        assert await other.query(f"AWS IAM GRANT bob TO '{OPS}'") == ["AWS IAM GRANT"]

    run(tmp_path, work)


@pytest.mark.parametrize(
    ("arn", "expected"),
    [
        (APP, True),
        (OPS, True),
        ("arn:aws-cn:iam::123456789012:role/a", True),
        ("arn:aws:iam::123456789012:root", False),
        ("arn:aws:iam::123456789012:role/", False),
        ("arn:aws:iam::1234:role/a", False),
        ("arn:aws:iam::123456789012:group/a", False),
        ("arn:aws:sts::123456789012:assumed-role/a/b", False),
        ("arn:aws:s3::123456789012:role/a", False),
        (f"{APP}\n", False),
        ("arn:aws:iam::123456789012:role/a b", False),
        (f"arn:aws:iam::123456789012:role/{'a' * 2048}", False),
    ],
)
def test_iam_arns(arn, expected):
    assert is_iam_arn(arn) is expected
