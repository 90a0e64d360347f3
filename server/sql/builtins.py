"""Every built-in entry, in the tables once this module is imported."""

from server.sql import (
    aggregates,
    fn_bytea,
    fn_compare,
    fn_datetime,
    fn_datetime_parts,
    fn_float,
    fn_format,
    fn_integer,
    fn_interval,
    fn_like,
    fn_numeric,
    fn_numeric_math,
    fn_text,
    operators,
    windows,
)

MODULES = (
    fn_compare,
    fn_integer,
    fn_float,
    fn_numeric,
    fn_numeric_math,
    fn_text,
    fn_like,
    fn_format,
    fn_bytea,
    fn_interval,
    fn_datetime,
    fn_datetime_parts,
    operators,
    aggregates,
    windows,
)
