"""The words whose calls PostgreSQL's grammar spells out (gram.y: func_expr_common_subexpr)."""

XML_CALLS = (
    "xmlconcat",
    "xmlelement",
    "xmlexists",
    "xmlforest",
    "xmlparse",
    "xmlpi",
    "xmlroot",
    "xmlserialize",
)

SPECIAL = {
    **dict.fromkeys(
        [
            "coalesce",
            "extract",
            "greatest",
            "least",
            "normalize",
            "nullif",
            "overlay",
            "position",
            "substring",
            "treat",
            "trim",
            "json_array",
            "json_arrayagg",
            "json_object",
            "json_objectagg",
            *XML_CALLS,
        ],
        "(",
    ),
    "collation": "for",
}
"""Word -> the token after it that makes it the special form."""

VALUE_FUNCTIONS = frozenset(
    [
        "current_date",
        "current_time",
        "current_timestamp",
        "localtime",
        "localtimestamp",
        "current_role",
        "current_user",
        "session_user",
        "system_user",
        "user",
        "current_catalog",
        "current_schema",
    ]
)
WITH_PRECISION = frozenset({"current_time", "current_timestamp", "localtime", "localtimestamp"})

EXTRACT_FIELDS = frozenset({"year", "month", "day", "hour", "minute", "second"})
"""The fields that are keywords; every other one is an identifier."""
