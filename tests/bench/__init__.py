"""Benchmarks against a private PostgreSQL in the same run; `python -m tests.bench` prints the table."""
