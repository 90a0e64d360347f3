"""Every built-in entry, in the tables once this module is imported."""

from server.sql import (
    aggregates,
    fn_bytea,
    fn_compare,
    fn_float,
    fn_integer,
    fn_like,
    fn_numeric,
    fn_numeric_math,
    fn_text,
    operators,
    windows,
)

MODULES = (
    fn_bytea,
    fn_compare,
    fn_float,
    fn_integer,
    fn_like,
    fn_numeric,
    fn_numeric_math,
    fn_text,
    operators,
    aggregates,
    windows,
)
