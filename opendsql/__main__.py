"""`python -m opendsql`: the same as the `opendsql` command."""

from opendsql import main

main()
