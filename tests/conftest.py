"""Fixtures that every test may ask for, and what the golden scripts add to the command line."""

import pytest

from tests.etcd import etcd_cluster as etcd_cluster
from tests.postgres import postgres as postgres
from tests.postgres import postgres_server as postgres_server
from tests.server import server as server
from tests.server import shared_server as shared_server
from tests.server import strict_server as strict_server
from tests.users import users as users
from tests.users import users_server as users_server
from tests.users import users_twin as users_twin


def pytest_addoption(parser: pytest.Parser) -> None:
    """--rewrite: golden scripts record what they see."""
    parser.addoption("--rewrite", action="store_true", help="record the output of tests/golden/*.test anew")
