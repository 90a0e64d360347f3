"""Fixtures that every test may ask for."""

from tests.postgres import postgres as postgres
