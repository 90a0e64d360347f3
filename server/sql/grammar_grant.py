"""GRANT, REVOKE, ALTER DEFAULT PRIVILEGES, AWS IAM GRANT (gram.y: GrantStmt, GrantRoleStmt; dsql-reference §1.8)."""

from server.sql.ast import AlterDefaultPrivilegesStmt, GrantStmt, IamGrantStmt, Names, Statement, Unsupported
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
_DEFAULTS = {
    "tables": "table",
    "sequences": "sequence",
    "functions": "function",
    "routines": "function",
    "types": "type",
    "schemas": "schema",
}
_REFUSED = ("foreign", "function", "procedure", "routine", "large", "parameter")

Privileges = tuple[tuple[str, Names], ...]
RoleOptions = tuple[tuple[str, bool, int], ...]


class Grants(Objects):
    """`grant_statement`, `iam_grant`."""

    def grant_statement(self) -> Statement:
        """GRANT or REVOKE."""
        at = self.at
        grant = self.kind == "grant"
        self.index += 1
        option_at = self.at
        option = None if grant else self._option_for()
        privileges = self._privileges()
        if self.kind != "on" or option not in (None, "grant"):
            options: RoleOptions = () if option is None else ((option, False, option_at),)
            return self._role_grant(grant, privileges, options, at)
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
        granted_by = self._granted_by()
        cascade = False if grant else self.cascade()
        return GrantStmt(
            grant, privileges, kind, objects, grantees, everything, grant_option, cascade, at, (), granted_by
        )

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

    def _granted_by(self) -> str | None:
        if not self.accept("granted"):
            return None
        self.expect("by")
        return self.role()

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

    def _role_grant(self, grant: bool, privileges: Privileges, options: RoleOptions, at: int) -> GrantStmt:
        """GRANT role TO role; `options`: what REVOKE takes away alone."""
        is_other = any(name == "grant" for name, _value, _at in options)
        if not privileges or privileges[0][0] == "all" or is_other:
            raise self.fail()
        self.expect("to" if grant else "from")
        grantees = self.comma_list(self.role)
        if grant and self.accept("with"):
            options = self.comma_list(self._role_grant_option)
        granted_by = self._granted_by()
        cascade = False if grant else self.cascade()
        return GrantStmt(
            grant, privileges, "role", (), grantees, False, False, cascade, at, options, granted_by
        )

    def _role_grant_option(self) -> tuple[str, bool, int]:
        at = self.at
        name = self.label()
        return name, self.expect_any(("option", "true", "false")) != "false", at

    # --- ALTER DEFAULT PRIVILEGES

    def alter_default_privileges(self, at: int) -> AlterDefaultPrivilegesStmt:
        """AlterDefaultPrivilegesStmt, after the word DEFAULT."""
        self.expect("privileges")
        roles: Names = ()
        schemas: Names = ()
        repeated_at = -1
        while self.kind in ("for", "in"):
            where = self.at
            if self.accept("for"):
                self.expect_any(("role", "user"))
                found, roles = roles, self.comma_list(self.role)
            else:
                self.expect("in", "schema")
                found, schemas = schemas, self.comma_list(self.column_name)
            if found and repeated_at < 0:
                repeated_at = where
        return AlterDefaultPrivilegesStmt(roles, schemas, self._default_action(), at, repeated_at)

    def _default_action(self) -> GrantStmt:
        """DefACLAction."""
        at = self.at
        grant = self.expect_any(("grant", "revoke")) == "grant"
        grant_option = False
        if not grant and self.kind == "grant":
            self.index += 1
            self.expect("option", "for")
            grant_option = True
        privileges = self._privileges()
        self.expect("on")
        kind = _DEFAULTS[self.expect_any(tuple(_DEFAULTS))]
        self.expect("to" if grant else "from")
        grantees = self.comma_list(self._grantee)
        if grant and self.accept("with"):
            self.expect("grant", "option")
            grant_option = True
        cascade = False if grant else self.cascade()
        return GrantStmt(grant, privileges, kind, (), grantees, False, grant_option, cascade, at)

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
