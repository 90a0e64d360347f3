"""A cluster for the tests of one module; its logs are shown when one of them failed."""

from collections.abc import Iterator

import pytest

from tests.regions.cluster import RUNNING, RegionCluster


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """The end of every process's log becomes part of the report."""
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    if report.failed:
        report.sections += [("cluster", cluster.logs()) for cluster in RUNNING]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegionCluster]:
    """Two regions and a witness that the tests of a module share, so each of them leaves it whole."""
    with RegionCluster(tmp_path_factory.mktemp("regions") / "data") as running:
        yield running
