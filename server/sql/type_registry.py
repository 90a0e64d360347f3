"""Every scalar type's functions by pg_type.typname, gathered from the modules that hold them."""

from server.sql.numeric import NUMERIC
from server.sql.type_datetime import DATETIMES
from server.sql.type_float import FLOATS
from server.sql.type_io import Io
from server.sql.type_json import JSONS
from server.sql.type_jsonpath import JSONPATHS
from server.sql.type_mac import MACS
from server.sql.type_network import NETWORKS
from server.sql.type_record import RECORDS
from server.sql.type_scalar import SCALARS
from server.sql.type_text import TEXTS
from server.sql.type_tsquery import TSQUERY
from server.sql.type_tsvector import TSVECTOR

TEXT_SEARCH = {"tsvector": TSVECTOR, "tsquery": TSQUERY}
IO: dict[str, Io] = {
    **SCALARS, **TEXTS, **FLOATS, **NUMERIC, **DATETIMES, **JSONS, **JSONPATHS, **NETWORKS, **MACS, **RECORDS,
    **TEXT_SEARCH,
}  # fmt: skip
