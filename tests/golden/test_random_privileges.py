"""Random GRANT and REVOKE by random roles: the answers, and who may do what afterwards, are PostgreSQL's."""

import random

import pytest

from tests.differential import Statement
from tests.users import Users

STATEMENTS = 120
ROLES = 5
PRIVILEGES = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER")
OF_COLUMNS = ("SELECT", "INSERT", "UPDATE", "REFERENCES")
OBJECTS = {"TABLES": PRIVILEGES, "FUNCTIONS": ("EXECUTE",), "SEQUENCES": ("USAGE",), "TYPES": ("USAGE",)}


class Generator:
    """Statements about the roles, the schema and the table of one seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.prefix = f"rp{seed}"
        self.roles = [f"{self.prefix}_{letter}" for letter in "abcde"[:ROLES]]
        self.schema = self.prefix
        self.made = 0

    def setup(self) -> list[str]:
        """Run by admin."""
        owner, *rest = self.roles
        return [
            *(f"CREATE ROLE {role} LOGIN {'NOINHERIT' if role == rest[-1] else ''}" for role in self.roles),
            f"CREATE SCHEMA {self.schema}",
            f"GRANT USAGE ON SCHEMA {self.schema} TO PUBLIC",
            f"GRANT CREATE ON SCHEMA {self.schema} TO {owner}, {rest[0]} WITH GRANT OPTION",
            f"CREATE SCHEMA {self.schema}_new",
            f"GRANT ALL ON SCHEMA {self.schema}_new TO PUBLIC",
            f"CREATE TABLE {self.schema}.t (id int PRIMARY KEY, v int, w int)",
            f"INSERT INTO {self.schema}.t VALUES (1, 1, 1)",
            f"ALTER TABLE {self.schema}.t OWNER TO {owner}",
        ]

    def statement(self) -> tuple[str, str]:
        """(user, statement)."""
        made = self.random.choices(
            (self.grant, self.membership, self.defaults, self.owner, self.query, self.table),
            (12, 4, 2, 1, 6, 1),
        )[0]()
        user = self.random.choice([*self.roles, self.roles[0], "admin"])
        return user, made

    def query(self) -> str:
        """What privileges are for."""
        table = f"{self.schema}.t"
        columns = self.some(("id", "v", "w"))
        one, *_ = columns
        return self.random.choice(
            (
                f"SELECT {', '.join(columns)} FROM {table}",
                f"SELECT count(*) FROM {table} WHERE {one} > 0",
                f"UPDATE {table} SET {one} = 1 WHERE false",
                f"UPDATE {table} SET v = {one}",
                f"INSERT INTO {table} (id) SELECT {one} FROM {table} WHERE false",
                f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('1' for _ in columns)})"
                " ON CONFLICT DO NOTHING",
                f"INSERT INTO {table} (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET {one} = 1",
                f"DELETE FROM {table} WHERE false",
                f"SELECT id FROM {table} FOR UPDATE",
            )
        )

    def some(self, things: tuple[str, ...]) -> list[str]:
        return self.random.sample(things, self.random.randint(1, min(3, len(things))))

    def who(self) -> str:
        found = self.some(tuple(self.roles))[:2]
        return ", ".join(found if self.random.random() < 0.9 else [*found, "PUBLIC"])

    def _done(self, what: str, on: str) -> str:
        if self.random.random() < 0.55:
            option = " WITH GRANT OPTION" if self.random.random() < 0.5 else ""
            return f"GRANT {what} ON {on} TO {self.who()}{option}"
        option = "GRANT OPTION FOR " if self.random.random() < 0.3 else ""
        how = self.random.choice(("", " CASCADE", " RESTRICT"))
        return f"REVOKE {option}{what} ON {on} FROM {self.who()}{how}"

    def grant(self) -> str:
        """On the table, its columns or the schema."""
        kind = self.random.random()
        if kind < 0.15:
            return self._done(self.random.choice(("USAGE", "CREATE", "ALL")), f"SCHEMA {self.schema}")
        on = f"{self.schema}.t" if kind < 0.9 else f"ALL TABLES IN SCHEMA {self.schema}"
        if self.random.random() < 0.1:
            return self._done("ALL", on)
        if self.random.random() < 0.4:
            columns = ", ".join(self.some(("id", "v", "w")))
            return self._done(", ".join(f"{each} ({columns})" for each in self.some(OF_COLUMNS)), on)
        return self._done(", ".join(self.some(PRIVILEGES)), on)

    def membership(self) -> str:
        """GRANT and REVOKE of roles."""
        role, member = self.random.sample(self.roles, 2)
        by = f" GRANTED BY {self.random.choice(self.roles)}" if self.random.random() < 0.15 else ""
        options = [f"{name} {self.random.choice(('TRUE', 'FALSE'))}" for name in ("ADMIN", "INHERIT", "SET")]
        if self.random.random() < 0.6:
            chosen = self.random.sample(options, self.random.randint(0, 2))
            given = f" WITH {', '.join(chosen)}" if chosen else ""
            return f"GRANT {role} TO {member}{given}{by}"
        option = self.random.choice(("", "", "ADMIN OPTION FOR ", "INHERIT OPTION FOR ", "SET OPTION FOR "))
        how = self.random.choice(("", " CASCADE"))
        return f"REVOKE {option}{role} FROM {member}{by}{how}"

    def defaults(self) -> str:
        """ALTER DEFAULT PRIVILEGES."""
        objects = self.random.choice(("TABLES", "TABLES", *OBJECTS))
        of = f"FOR ROLE {self.random.choice(self.roles)} " if self.random.random() < 0.6 else ""
        where = f"IN SCHEMA {self.schema}_new " if self.random.random() < 0.5 else ""
        what = ", ".join(self.some(OBJECTS[objects])) if self.random.random() < 0.8 else "ALL"
        return f"ALTER DEFAULT PRIVILEGES {of}{where}{self._done(what, objects)}"

    def owner(self) -> str:
        """Another owner."""
        return f"ALTER TABLE {self.schema}.t OWNER TO {self.random.choice(self.roles)}"

    def table(self) -> str:
        """A new table, which default privileges are for. The other schema has one table: PostgreSQL goes through
        several in the order of its heap."""
        self.made += 1
        return f"CREATE TABLE {self.schema}_new.t{self.made} (id int PRIMARY KEY)"

    def questions(self) -> list[str]:
        """Everything that is to be equal in the end."""
        roles = "(VALUES " + ", ".join(f"('{role}'::name)" for role in [*self.roles, "public"]) + ") r(r)"
        named = "(VALUES " + ", ".join(f"('{role}'::name)" for role in self.roles) + ")"
        words = ", ".join(f"'{each}', '{each} WITH GRANT OPTION'" for each in PRIVILEGES)
        of_columns = ", ".join(f"'{each}', '{each} WITH GRANT OPTION'" for each in OF_COLUMNS)
        t = f"'{self.schema}.t'"
        in_schema = f"relnamespace IN ('{self.schema}'::regnamespace, '{self.schema}_new'::regnamespace)"
        return [
            f"SELECT relname, relowner::regrole, relacl FROM pg_class WHERE {in_schema} AND relkind = 'r'",
            f"SELECT attname, attacl FROM pg_attribute WHERE attrelid = {t}::regclass AND attnum > 0",
            f"SELECT nspacl FROM pg_namespace WHERE nspname = '{self.schema}'",
            f"SELECT r, p, has_table_privilege(r, {t}, p) FROM {roles}, unnest(ARRAY[{words}]) p",
            f"SELECT r, p, has_any_column_privilege(r, {t}, p) FROM {roles}, unnest(ARRAY[{of_columns}]) p",
            f"SELECT r, p, c, has_column_privilege(r, {t}, c, p)"
            f" FROM {roles}, unnest(ARRAY[{of_columns}]) p, unnest(ARRAY['id', 'v', 'w']) c",
            f"SELECT r, p, has_schema_privilege(r, '{self.schema}', p)"
            f" FROM {roles}, unnest(ARRAY['USAGE', 'CREATE', 'CREATE WITH GRANT OPTION']) p",
            f"SELECT r, s, m, pg_has_role(r, s, m) FROM {named} r(r), {named} s(s),"
            " unnest(ARRAY['USAGE', 'MEMBER', 'SET', 'USAGE WITH ADMIN OPTION']) m",
            "SELECT roleid::regrole, member::regrole, grantor::regrole, admin_option, inherit_option, set_option"
            f" FROM pg_auth_members WHERE roleid::regrole::text ~ '^{self.prefix}_'",
            "SELECT defaclrole::regrole, defaclnamespace = 0, defaclobjtype, defaclacl FROM pg_default_acl"
            f" WHERE defaclrole::regrole::text ~ '^{self.prefix}_'",
        ]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 9))
def test_random_grants(seed: int, users: Users) -> None:
    generator = Generator(seed)
    for sql in generator.setup():
        assert users.compare("admin", Statement(sql, 0)) == [], f"seed {seed}: {sql}"
    for number in range(STATEMENTS):
        user, sql = generator.statement()
        found = users.compare(user, Statement(sql, 0))
        assert not found, "\n".join([f"seed {seed}, {number}: {user}> {sql}", *found])
        if number % 20 == 19:
            for question in generator.questions():
                found = users.compare("admin", Statement(question, 0))
                assert not found, "\n".join([f"seed {seed}, {number}: {question}", *found])
    for role in generator.roles:
        found = users.compare("admin", Statement(f"DROP ROLE {role}", 0))
        assert not found, "\n".join([f"seed {seed}: DROP ROLE {role}", *found])
