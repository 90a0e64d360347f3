"""`opendsql serve --metrics`: from outside, over HTTP, beside clients."""

import json
import socket
import urllib.request

import psycopg
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.serving_process import ServeProcess, opendsql

pytestmark = pytest.mark.slow


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def scrape(port: int) -> dict[str, float]:
    """Every series by its name and labels, without the node's."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
        text = answer.read().decode()
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = dict(sample.labels)
            labels.pop("node")
            found[sample.name + json.dumps(labels, sort_keys=True)] = sample.value
    return found


def test_conflicts_of_a_table_and_errors(tmp_path):
    port = free_port()
    with ServeProcess(tmp_path / "data", "--metrics", f"127.0.0.1:{port}") as server:
        before = scrape(port)
        assert before['opendsql_connection_events_total{"event": "internal_errors"}'] == 0
        assert before["opendsql_start_seconds{}"] > 0
        with psycopg.connect(server.dsn()) as one, psycopg.connect(server.dsn()) as two:
            one.autocommit = two.autocommit = True
            one.execute("CREATE TABLE account (id int PRIMARY KEY, balance int)")
            one.execute("INSERT INTO account VALUES (1, 10)")
            table = 'opendsql_table_conflicts_total{"cluster": "1", "table": "public.account"}'
            assert scrape(port)[table] == 0
            for each in (one, two):
                each.execute("BEGIN")
                each.execute("UPDATE account SET balance = balance + 1 WHERE id = 1")
            assert scrape(port)["opendsql_transactions_open{}"] == 2
            one.execute("COMMIT")
            with pytest.raises(psycopg.errors.SerializationFailure):
                two.execute("COMMIT")
            with pytest.raises(psycopg.errors.UndefinedTable):
                one.execute("SELECT * FROM nothing")
            after = scrape(port)
            assert after[table] == 1
            assert after["opendsql_conflicts_total{}"] == 1
            assert after["opendsql_commits_total{}"] - before["opendsql_commits_total{}"] == 3
            errors = 'opendsql_connection_events_total{"event": "errors"}'
            assert after[errors] - before[errors] == 2
            assert after["opendsql_sessions{}"] == 2
            for section in ("event_loop", "adjudicator", "journal_flush", "apply"):
                name = f'opendsql_busy_seconds_total{{"section": "{section}"}}'
                assert after[name] > before[name]
        assert server.stop() == 0
        with pytest.raises(OSError):
            scrape(port)


def test_a_taken_port_and_a_wrong_address(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        server = ServeProcess(tmp_path / "data", "--metrics", address)
        server.start()
        assert server.ended() == (3, f"opendsql: port in use: {address}\n")
        server.kill()
    for wrong in ("9100", ":9100", "localhost:", "localhost:http", "localhost:0", "localhost:65536"):
        done = opendsql("serve", "--data", tmp_path / "other", "--metrics", wrong)
        assert done.returncode == 2
        assert done.stderr == f"opendsql: --metrics needs HOST:PORT, not {wrong}\n"
