"""An adjudicator's verdict as the client's error (dsql-reference §5.2, §5.3)."""

from adjudicator.messages import Aborted, Reason
from server.catalog.store import is_catalog_key
from server.errors import conflict, schema_changed
from server.session.reasons import Refusal


def refusal(verdict: Aborted) -> Refusal:
    """Another transaction's catalog change is OC001, the rest OC000."""
    key = verdict.key
    is_schema = verdict.reason == Reason.SCHEMA or (key and is_catalog_key(key))
    return Refusal(schema_changed() if is_schema else conflict(), verdict)
