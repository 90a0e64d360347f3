"""Sessions of a region whose rows are in other processes."""

from server.session.regional import RegionBereft, RegionSession
from server.session.stacks import OnStack
from server.session.suspending import Kinds


class RemoteSession(OnStack, RegionSession):
    """See `RegionSession`; also what waits for its time does so on the stack of the call."""


class RemoteBereft(OnStack, RegionBereft):
    """One whose transaction was lost with the process that ran it."""


KINDS = Kinds(RemoteSession, RemoteBereft)
