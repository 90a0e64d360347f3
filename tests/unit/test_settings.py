"""SET, RESET and what they are undone by; values and errors are PostgreSQL's where both know the setting."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.errors import PgError
from server.session.settings import Settings

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
