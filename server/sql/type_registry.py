"""Every scalar type's functions by pg_type.typname, gathered from the modules that hold them."""

from server.sql.type_io import Io

IO: dict[str, Io] = {}
