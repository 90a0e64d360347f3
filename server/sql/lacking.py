"""PostgreSQL's functions and operators of types that are not here: they get a refusal that says so, not 42883.

DSQL has them in queries (dsql-reference §2.2, §3). Beside what serves types, operators, casts and aggregates alone,
every function with an argument or a result of such a type is named here (tests/golden/test_lacking.py).
"""

from collections.abc import Sequence

from server.errors import PgError
from server.sql import ast, refusals
from server.sql.grammar_base import NotLiftable

TEXT_SEARCH, RANGES, XML = "text search", "ranges", "XML"
MAC_ADDRESSES, BIT_STRINGS = "MAC addresses", "bit strings"

_FUNCTIONS = {
    TEXT_SEARCH: """
        array_to_tsvector get_current_ts_config json_to_tsvector jsonb_to_tsvector numnode phraseto_tsquery
        plainto_tsquery querytree setweight strip to_tsquery to_tsvector ts_debug ts_delete ts_filter ts_headline
        ts_lexize ts_parse ts_rank ts_rank_cd ts_rewrite ts_stat ts_token_type tsquery_phrase tsvector_to_array
        websearch_to_tsquery
    """,
    RANGES: """
        datemultirange daterange int4multirange int4range int8multirange int8range isempty lower_inc lower_inf
        multirange nummultirange numrange range_agg range_intersect_agg range_merge tsmultirange tsrange
        tstzmultirange tstzrange upper_inc upper_inf
    """,
    XML: """
        cursor_to_xml cursor_to_xmlschema database_to_xml database_to_xml_and_xmlschema database_to_xmlschema
        query_to_xml query_to_xml_and_xmlschema query_to_xmlschema schema_to_xml schema_to_xml_and_xmlschema
        schema_to_xmlschema table_to_xml table_to_xml_and_xmlschema table_to_xmlschema xml xml_is_well_formed
        xml_is_well_formed_content xml_is_well_formed_document xmlagg xmlcomment xmlconcat xmlelement xmlexists
        xmlforest xmlparse xmlpi xmlroot xmlserialize xmltable xmlvalidate xpath xpath_exists
    """,
    MAC_ADDRESSES: "macaddr macaddr8 macaddr8_set7bit",
    BIT_STRINGS: "bit varbit",
}
FUNCTIONS = {name: family for family, names in _FUNCTIONS.items() for name in names.split()}
"""By name, what it belongs to."""
_OPERATORS = {"@@": TEXT_SEARCH, "@@@": TEXT_SEARCH, "-|-": RANGES}

_WITH_CONFIGURATION = {
    "to_tsvector": 2, "to_tsquery": 2, "plainto_tsquery": 2, "phraseto_tsquery": 2, "websearch_to_tsquery": 2,
    "json_to_tsvector": 3, "jsonb_to_tsvector": 3,
}  # fmt: skip
"""Functions whose first argument is a configuration where there are so many."""


def function(names: Sequence[str]) -> PgError | None:
    """The refusal of a function of that name, alone or in pg_catalog, which was not found."""
    family = FUNCTIONS.get(names[-1]) if tuple(names[:-1]) in ((), ("pg_catalog",)) else None
    return refusals.LACKING.error(family) if family is not None else None


def operator(name: str, operand: str) -> PgError | None:
    """The refusal of an operator, which was not found for a left operand of the type `operand`."""
    family = _OPERATORS.get(name) if operand != "jsonb" else None
    return refusals.LACKING.error(family) if family is not None else None


def check_configuration(call: ast.FuncCall) -> None:
    """PgError 42704 for a text search configuration that DSQL does not have: it has `simple` alone (§3 GOLD, PGREST).

    42602: the text is no name.
    """
    from server.catalog.names import split_name

    names = call.names
    if names[-1] not in _WITH_CONFIGURATION or tuple(names[:-1]) not in ((), ("pg_catalog",)):
        return
    if len(call.args) != _WITH_CONFIGURATION[names[-1]] or any(call.arg_names):
        return
    given = call.args[0]
    if isinstance(given, ast.TypeCast) and given.type.names[-1] == "regconfig":
        given = given.arg
    if isinstance(given, ast.ParamRef) and given.lifted:
        raise NotLiftable
    if not isinstance(given, ast.Literal) or given.kind != "string":
        return
    named = split_name(given.text)
    if named not in (("simple",), ("pg_catalog", "simple")):
        text = f'text search configuration "{".".join(named)}" does not exist'
        raise PgError("42704", text, position=given.at + 1)
