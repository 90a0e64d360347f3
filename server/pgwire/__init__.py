"""The Postgres wire protocol, version 3."""
