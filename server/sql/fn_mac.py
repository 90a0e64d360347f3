"""Functions and operators of macaddr and macaddr8 (PostgreSQL, chapter 9.12)."""

from server.sql.functions import define

define(
    "753 trunc(macaddr) macaddr\n4112 trunc(macaddr8) macaddr8",
    lambda value: value[:3] + bytes(len(value) - 3),
)
define("4125 macaddr8_set7bit(macaddr8) macaddr8", lambda value: bytes((value[0] | 2,)) + value[1:])
define(
    "3144 macaddr_not(macaddr) macaddr\n4120 macaddr8_not(macaddr8) macaddr8",
    lambda value: bytes(octet ^ 0xFF for octet in value),
)
define(
    "3145 macaddr_and(macaddr,macaddr) macaddr\n4121 macaddr8_and(macaddr8,macaddr8) macaddr8",
    lambda left, right: bytes(one & other for one, other in zip(left, right)),
)
define(
    "3146 macaddr_or(macaddr,macaddr) macaddr\n4122 macaddr8_or(macaddr8,macaddr8) macaddr8",
    lambda left, right: bytes(one | other for one, other in zip(left, right)),
)
