"""OpenDSQL for pytest: the fixtures `dsql_server`, `dsql` and `dsql_cluster` (docs/testing.md).

The server is another process; nothing of it is imported here. It ends with its standard input, which this process
holds: also when pytest is killed. A test's cluster is made and dropped through the server's control socket.
"""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from opendsql.testing import Dsql, Regions, Server, StartFailed

_SERVERS: pytest.StashKey[list[Server]] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    """--dsql-limit, --dsql-serve-args, and the ini options of the same names."""
    group = parser.getgroup("opendsql")
    group.addoption(
        "--dsql-limit",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="A limit of the server, as `opendsql serve --limit`; may be repeated.",
    )
    group.addoption(
        "--dsql-serve-args", default="", metavar="ARGS", help="Further arguments of `opendsql serve`."
    )
    parser.addini("dsql_limits", "Limits of the server: one NAME=VALUE per line.", "linelist", [])
    parser.addini("dsql_serve_args", "Further arguments of `opendsql serve`.", "args", [])


def arguments(config: pytest.Config) -> list[str]:
    """What `opendsql serve` is told beside where it runs; the command line comes after the ini file."""
    found = list(config.getini("dsql_serve_args")) + shlex.split(config.getoption("--dsql-serve-args"))
    for limit in [*config.getini("dsql_limits"), *config.getoption("--dsql-limit")]:
        found += ["--limit", limit]
    return found


@pytest.fixture(scope="session")
def dsql_server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server of this test session: in memory, on a free port of 127.0.0.1."""
    try:
        server = Server.start(arguments(request.config))
    except StartFailed as error:
        pytest.fail(str(error), pytrace=False)
    request.config.stash.setdefault(_SERVERS, []).append(server)
    yield server
    request.config.stash[_SERVERS].remove(server)
    server.stop()


@pytest.fixture
def dsql(dsql_server: Server) -> Iterator[Dsql]:
    """A fresh cluster for one test, which ends with it, and its connections too."""
    cluster = dsql_server.new_cluster()
    yield cluster
    cluster.drop()


@pytest.fixture(scope="session")
def dsql_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Regions]:
    """Two regions and a witness on this machine, for the session."""
    if shutil.which("etcd") is None:
        pytest.skip("regions need etcd, which is not installed")
    directory: Path = tmp_path_factory.mktemp("dsql-cluster")
    try:
        regions = Regions.start(directory)
    except StartFailed as error:
        pytest.fail(str(error), pytrace=False)
    yield regions
    regions.stop()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """Remember where the server's log was when the test began."""
    for server in item.config.stash.get(_SERVERS, []):
        server.mark_log()
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """What the server logged during a test that failed belongs to its report."""
    report = yield
    if report.failed and report.when == "call" and "dsql_server" in getattr(item, "fixturenames", ()):
        for server in item.config.stash.get(_SERVERS, []):
            text = server.logged()
            if text:
                report.sections.append(("OpenDSQL log", text))
    return report
