"""PostgreSQL's functions of types that are not here: they get a refusal that says so, not 42883.

DSQL has them in queries (dsql-reference §2.2, §3). Beside what serves types, operators, casts and aggregates alone,
every function with an argument or a result of such a type is named here (tests/golden/test_lacking.py).
"""

from collections.abc import Sequence

from server.errors import PgError
from server.sql import refusals

TEXT_SEARCH, XML = "text search", "XML"
BIT_STRINGS = "bit strings"

_FUNCTIONS = {
    TEXT_SEARCH: """
        ts_stat
    """,
    XML: """
        cursor_to_xml cursor_to_xmlschema database_to_xml database_to_xml_and_xmlschema database_to_xmlschema
        query_to_xml query_to_xml_and_xmlschema query_to_xmlschema schema_to_xml schema_to_xml_and_xmlschema
        schema_to_xmlschema table_to_xml table_to_xml_and_xmlschema table_to_xmlschema xml xml_is_well_formed
        xml_is_well_formed_content xml_is_well_formed_document xmlagg xmlcomment xmlconcat xmlelement xmlexists
        xmlforest xmlparse xmlpi xmlroot xmlserialize xmltable xmlvalidate xpath xpath_exists
    """,
    BIT_STRINGS: "bit varbit",
}
FUNCTIONS = {name: family for family, names in _FUNCTIONS.items() for name in names.split()}
"""By name, what it belongs to."""


def function(names: Sequence[str]) -> PgError | None:
    """The refusal of a function of that name, alone or in pg_catalog, which was not found."""
    family = FUNCTIONS.get(names[-1]) if tuple(names[:-1]) in ((), ("pg_catalog",)) else None
    return refusals.LACKING.error(family) if family is not None else None
