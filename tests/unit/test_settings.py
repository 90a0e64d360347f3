"""SET, RESET and what they are undone by; values and errors are PostgreSQL's where both know the setting."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.errors import PgError
from server.session.settings import ALL, Settings
from tests.sessions import Client, run

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["set", "local", "reset", "reset all", "begin", "commit", "abort"]),
        st.sampled_from(["TimeZone", "application_name"]),
        st.sampled_from(["UTC", "Asia/Tokyo", "Europe/Berlin"]),
    )
)


@given(STEPS)
def test_transactions_undo_what_they_set(steps):
    """Against a model: the session's values, and those of the transaction on top."""
    settings = Settings({"application_name": "boot"})
    default = {"TimeZone": "UTC", "application_name": "boot"}
    session, before, local = dict(default), None, {}
    for step, name, value in steps:
        if step == "begin" and before is None:
            settings.begin()
            before, local = dict(session), {}
        elif step in ("commit", "abort") and before is not None:
            settings.end(step == "commit")
            session = session if step == "commit" else before
            before, local = None, {}
        elif step == "local" and before is not None:
            settings.set(name, value, local=True)
            local[name] = value
        elif step == "set":
            settings.set(name, value)
            session[name] = value
            local.pop(name, None)
        elif step == "reset":
            settings.set(name, None)
            session[name] = default[name]
            local.pop(name, None)
        elif step == "reset all":
            settings.reset_all()
            session, local = dict(default), {}
        assert {name: settings[name] for name in default} == {**session, **local}


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        (["DMY"], "ISO, DMY"),
        (["DMY", "sql"], "SQL, DMY"),
        (["german"], "German, DMY"),
        (["german", "iso"], "ISO, DMY"),
        (["iso, mdy"], "ISO, MDY"),
        (["sql, dmy", "default"], "ISO, MDY"),
    ],
)
def test_datestyle_keeps_what_is_not_named(values, shown):
    settings = Settings({})
    for value in values:
        settings.set("datestyle", value)
    assert settings["DateStyle"] == shown


@pytest.mark.parametrize(
    ("name", "value", "sqlstate"),
    [
        ("datestyle", "iso, sql", "22023"),
        ("datestyle", "nope", "22023"),
        ("timezone", "nope", "22023"),
        ("intervalstyle", "nope", "22023"),
        ("extra_float_digits", "4", "22023"),
        ("search_path", '"a', "22023"),
        ("enable_seqscan", "o", "22023"),
        ("client_encoding", "latin1", "22023"),
        ("work_mem", "1MB", "0A000"),
        ("nope", "1", "0A000"),
    ],
)
def test_refused(name, value, sqlstate):
    settings = Settings({})
    shown = settings.get(name)
    with pytest.raises(PgError) as raised:
        settings.set(name, value)
    assert raised.value.sqlstate == sqlstate
    assert settings.get(name) == shown


ALLOWED = {
    "application_name": ("x", ""),
    "client_encoding": ("utf8", "UTF8"),
    "datestyle": ("SQL, DMY", "ISO, MDY"),
    "extra_float_digits": ("0", "1"),
    "intervalstyle": ("iso_8601", "postgres"),
    "timezone": ("Asia/Tokyo", "UTC"),
    "search_path": ("s", '"$user", public'),
    "enable_bitmapscan": ("off", "on"),
    "enable_hashjoin": ("off", "on"),
    "enable_indexonlyscan": ("off", "on"),
    "enable_indexscan": ("off", "on"),
    "enable_material": ("off", "on"),
    "enable_mergejoin": ("off", "on"),
    "enable_nestloop": ("off", "on"),
    "enable_seqscan": ("off", "on"),
    "dsql.enable_batched_nestloop": ("off", "on"),
    "disable_sync_create_index": ("off", "on"),
}
"""Name -> a value and the default (dsql-reference §8.3)."""
OURS = {"opendsql.conflict_detail"}
"""Those that DSQL does not have."""


def test_the_allow_list_is_the_documented_one():
    assert {name for name, setting in ALL.items() if setting.check is not None} == {*ALLOWED, *OURS}


def test_every_allowed_setting_in_every_way(tmp_path):
    async def work(node):
        client = Client(node)
        wrong = []

        async def expect(name, value, *statements):
            for statement in statements:
                answers = await client.query(statement)
                if any(str(answer).startswith(("ERROR", "WARNING")) for answer in answers):
                    wrong.append((statement, answers))
            shown = await client.rows(f"SHOW {name}")
            if shown != [(value,)]:
                wrong.append((statements, shown))

        for name, (value, default) in ALLOWED.items():
            written = ", ".join(f"'{word}'" for word in value.split(", "))
            shown = "UTF8" if name == "client_encoding" else value
            await expect(name, default)
            await expect(name, shown, f"SET {name} = {written}")
            await expect(name, shown, f"SET {name} FROM CURRENT")
            await expect(name, default, f"RESET {name}")
            await expect(name, shown, f"SET SESSION {name} TO {written}")
            await expect(name, default, f"SET {name} TO DEFAULT")
            await expect(name, shown, "BEGIN", f"SET LOCAL {name} = {written}")
            await expect(name, default, "COMMIT")
            await expect(name, shown, f"SELECT set_config('{name}', '{value}', false)")
            await expect(name, default, "RESET ALL")
            started = Client(node, options=f"-c {name}={value.replace(' ', chr(92) + ' ')}")
            if await started.rows(f"SHOW {name}") != [(shown,)]:
                wrong.append(("start-up", name))
        return wrong

    assert run(tmp_path, work) == []


def test_start_up_options_outside_the_allow_list_end_the_connection(tmp_path):
    async def work(node):
        found = []
        for name in ("statement_timeout", "role", "app.user", "default_transaction_read_only"):
            found.append(Client(node, options=f"-c {name}=x").greeting[-1])
        return found

    assert run(tmp_path, work) == [
        f'FATAL 0A000 setting configuration parameter "{name}" not supported'
        for name in ("statement_timeout", "role", "app.user", "default_transaction_read_only")
    ]


def test_shown_values(tmp_path):
    """dsql-reference §8.3."""
    shown = {
        "server_version": "16.15",
        "server_version_num": "160015",
        "server_encoding": "UTF8",
        "client_encoding": "UTF8",
        "TimeZone": "UTC",
        "transaction_isolation": "repeatable read",
        "max_connections": "20",
    }

    async def work(node):
        client = Client(node)
        values = {name: (await client.rows(f"SHOW {name}"))[0][0] for name in shown}
        return values, await client.rows("SELECT version(), current_database(), current_schema()")

    assert run(tmp_path, work) == (shown, [("PostgreSQL 16", "postgres", "public")])


def test_session_characteristics(tmp_path):
    """SET SESSION CHARACTERISTICS is accepted (dsql-reference §5.5), and what is said there holds."""

    async def work(node):
        client = Client(node)
        refused = "ERROR 25006 cannot execute CREATE TABLE in a read-only transaction"
        create = "CREATE TABLE t (a int)"
        show = "SHOW transaction_read_only"
        set_ = "SET SESSION CHARACTERISTICS AS TRANSACTION"
        for statement, wanted in (
            (f"{set_} ISOLATION LEVEL REPEATABLE READ", ["SET"]),
            (show, [("off",), "SHOW"]),
            (f"{set_} ISOLATION LEVEL REPEATABLE READ, READ ONLY", ["SET"]),
            (show, [("on",), "SHOW"]),
            (create, [refused]),
            ("BEGIN", ["BEGIN"]),
            (create, [refused]),
            ("ROLLBACK", ["ROLLBACK"]),
            ("BEGIN READ WRITE", ["BEGIN"]),
            (show, [("off",), "SHOW"]),
            (f"{set_} READ WRITE", ["SET"]),
            ("ROLLBACK", ["ROLLBACK"]),
            ("SHOW default_transaction_read_only", [("on",), "SHOW"]),
            (f"{set_} READ WRITE", ["SET"]),
            (create, ["CREATE TABLE"]),
        ):
            assert (statement, await client.query(statement)) == (statement, wanted)

    run(tmp_path, work)


@pytest.mark.parametrize(
    ("statement", "tag"),
    [
        ("SET SESSION AUTHORIZATION DEFAULT", "SET"),
        ("RESET SESSION AUTHORIZATION", "RESET"),
        ("SET TIME ZONE 'UTC'", "SET"),
        ("SET TIME ZONE LOCAL", "SET"),
        ("SET NAMES 'utf8'", "SET"),
        ("SET SCHEMA 'public'", "SET"),
    ],
)
def test_other_forms_of_set(tmp_path, statement, tag):
    async def work(node):
        return await Client(node).query(statement)

    assert run(tmp_path, work) == [tag]
