"""Every built-in entry, in the tables once this module is imported."""

from server.sql import aggregates, fn_compare, fn_integer, operators, windows

MODULES = (fn_compare, fn_integer, operators, aggregates, windows)
