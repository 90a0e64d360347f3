"""GRANT and REVOKE, AWS IAM GRANT (gram.y: GrantStmt, GrantRoleStmt; dsql-reference §1.8)."""

from dataclasses import replace

from server.sql.ast import GrantStmt, IamGrantStmt, Names, Statement, Unsupported
from server.sql.grammar_objects import Objects

_RESERVED_PRIVILEGES = ("select", "references", "create")
_NAMED = {"schema": "schema", "database": "database", "language": "language", "tablespace": "tablespace"}
_PATHS = {"table": "table", "sequence": "sequence", "domain": "domain", "type": "type"}
_IN_SCHEMA = {
    "tables": "table",
    "sequences": "sequence",
    "functions": "function",
    "procedures": "procedure",
    "routines": "routine",
}
_REFUSED = ("foreign", "function", "procedure", "routine", "large", "parameter")

Privileges = tuple[tuple[str, Names], ...]


class Grants(Objects):
    """`grant_statement`, `iam_grant`."""

    def grant_statement(self) -> Statement:
        """GRANT or REVOKE."""
        at = self.at
        grant = self.kind == "grant"
        self.index += 1
        option = None if grant else self._option_for()
        privileges = self._privileges()
        if self.kind != "on" or option not in (None, "grant"):
            return self._role_grant(grant, privileges, option, at)
        self.index += 1
        if self.kind in _REFUSED and self._is_refused_target():
            what = self.kind
            self.skip_statement()
            return Unsupported("Grant", what, at)
        kind, objects, everything = self._target()
        self.expect("to" if grant else "from")
        grantees = self.comma_list(self._grantee)
        grant_option = option is not None
        if grant and self.accept("with"):
            self.expect("grant", "option")
            grant_option = True
        self._granted_by()
        cascade = False if grant else self.cascade()
        return GrantStmt(grant, privileges, kind, objects, grantees, everything, grant_option, cascade, at)

    def _is_refused_target(self) -> bool:
        """FUNCTION and so on are names too: only with something after them are they kinds."""
        return self.peek() not in (",", ".", "to", "from")

    def _option_for(self) -> str | None:
        """REVOKE GRANT OPTION FOR, or ADMIN OPTION FOR (a role's option)."""
        if self.kind != "grant" and self.peek() != "option":
            return None
        word = "grant" if self.accept("grant") else self.column_name()
        self.expect("option", "for")
        return word

    def _privileges(self) -> Privileges:
        """privileges; empty for ALL."""
        if self.accept("all"):
            self.accept("privileges")
            return (("all", self.name_list_in_parens()),) if self.kind == "(" else ()
        return self.comma_list(self._privilege)

    def _privilege(self) -> tuple[str, Names]:
        if self.accept("alter", "system"):
            return "alter system", ()
        word = self.accept_any(_RESERVED_PRIVILEGES) or self.column_name()
        return word, self.name_list_in_parens() if self.kind == "(" else ()

    def _grantee(self) -> str:
        self.accept("group")
        return self.role()

    def _granted_by(self) -> None:
        if self.accept("granted"):
            self.expect("by")
            self.role()

    def _target(self) -> tuple[str, tuple[Names, ...], bool]:
        """privilege_target: kind, objects, and whether these are schemas whose objects are all meant."""
        kind = self.kind
        follows = self.peek() not in (",", ".", "to", "from")
        if kind == "all":
            self.index += 1
            kind = _IN_SCHEMA[self.expect_any(tuple(_IN_SCHEMA))]
            self.expect("in", "schema")
            return kind, self.comma_list(self._single_name), True
        if kind in _NAMED and follows:
            self.index += 1
            return _NAMED[kind], self.comma_list(self._single_name), False
        if kind in _PATHS and (follows or kind == "table"):
            self.index += 1
            item = self.qualified_name if kind in ("table", "sequence") else self.any_name
            return _PATHS[kind], self.comma_list(item), False
        return "table", self.comma_list(self.qualified_name), False

    def _role_grant(self, grant: bool, privileges: Privileges, option: str | None, at: int) -> GrantStmt:
        """GRANT role TO role."""
        if not privileges or privileges[0][0] == "all" or option == "grant":
            raise self.fail()
        self.expect("to" if grant else "from")
        grantees = self.comma_list(self.role)
        statement = GrantStmt(grant, privileges, "role", (), grantees, grant_option=option is not None, at=at)
        if grant and self.accept("with"):
            options = self.comma_list(self._role_grant_option)
            statement = replace(statement, grant_option=("admin", True) in options)
        self._granted_by()
        return statement if grant else replace(statement, cascade=self.cascade())

    def _role_grant_option(self) -> tuple[str, bool]:
        name = self.label()
        return name, self.expect_any(("option", "true", "false")) != "false"

    # --- AWS IAM

    def is_iam(self) -> bool:
        return self.is_word("aws") and self.is_word("iam", 1)

    def iam_grant(self) -> IamGrantStmt:
        """AWS IAM GRANT role TO 'arn', AWS IAM REVOKE role FROM 'arn'."""
        at = self.at
        self.index += 2
        grant = self.expect_any(("grant", "revoke")) == "grant"
        role = self.role_id()
        self.expect("to" if grant else "from")
        return IamGrantStmt(grant, role, self.string(), at)
