"""An adjudicator's verdict as the client's error (dsql-reference §5.2, §5.3)."""

from adjudicator.messages import Reason
from journal.record import Key
from server.catalog.store import is_catalog_key
from server.errors import PgError, conflict, schema_changed


class Refusal(PgError):
    """40001 for the client; `reason` and `key` tell why, for the node's own view of conflicts."""

    def __init__(self, error: PgError, reason: Reason, key: Key) -> None:
        super().__init__(error.sqlstate, error.message)
        self.reason = reason
        self.key = key


def refusal(reason: Reason, key: Key) -> Refusal:
    """Another transaction's catalog change is OC001, the rest OC000."""
    is_schema = reason is Reason.SCHEMA or (key and is_catalog_key(key))
    return Refusal(schema_changed() if is_schema else conflict(), reason, key)
