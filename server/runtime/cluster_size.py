"""The storage limit of a cluster (dsql-reference §4; documented, UG: 10 TiB, 53100)."""

from collections.abc import Callable

from adjudicator.messages import CommitRequest
from server.catalog.store import is_catalog_key
from storage.sizes import CLUSTER

TEXT = "Current cluster size exceeds cluster size limit."
"""53100's, also where it is the disk that is full."""


def is_too_large(request: CommitRequest, bytes_of: Callable[[bytes], int], limit: int) -> bool:
    """Whether the commit writes rows of a cluster that is larger than `limit` bytes already.

    `bytes_of` tells what a cluster (4 bytes BE) occupies. Asked at COMMIT, as the transaction's size is: that the
    commit itself makes the cluster larger than the limit is no matter. Deletes go on, and so does DDL, whose DROP is
    a way out too (assumed). Only the first row is looked at: all of them are of one cluster.
    """
    for write in request.writes:
        if write.value is not None and not is_catalog_key(write.key):
            return bytes_of(write.key[:CLUSTER]) > limit
    return False
