"""AWS IAM GRANT and AWS IAM REVOKE: which IAM users and roles may connect as a role (dsql-reference §1.8, §7)."""

import msgspec

from server.catalog.ddl import Change, Result, find_role, tag_of
from server.catalog.descriptor import IamMapping
from server.catalog.iam_arn import is_iam_arn
from server.errors import PgError
from server.sql import ast


def grant(change: Change, statement: ast.IamGrantStmt) -> Result:
    """Add or remove one mapping. The texts are in DSQL's manual (troubleshooting), their SQLSTATEs are PostgreSQL's
    for errors of the kind. Granting twice and revoking what is not granted fail, as users have observed; the text of
    the former is assumed."""
    name, arn = statement.role, statement.arn
    if change.env.user != "admin":
        raise PgError("42501", f"permission denied to grant IAM trust with role {name}")
    role = find_role(change, name)
    if name == "admin":
        raise PgError("0A000", f"Cannot establish trust with role {name}")
    if not is_iam_arn(arn):
        raise PgError("22023", "IAM role must look like an IAM ARN")
    others = tuple(mapping for mapping in role.iam if mapping.arn != arn)
    is_mapped = len(others) < len(role.iam)
    if not statement.grant:
        if not is_mapped:
            raise PgError("42704", f"IAM role {arn} does not exist")
        change.put(msgspec.structs.replace(role, iam=others))
    else:
        if not role.login:
            raise PgError("42501", f"role {name} must have the LOGIN attribute")
        if is_mapped:
            raise PgError("42710", f"IAM role {arn} is already mapped to role {name}")
        mapping = IamMapping(change.new_oid(), arn, change.user_oid)
        change.put(msgspec.structs.replace(role, iam=(*others, mapping)))
    return Result(tag_of(statement))
