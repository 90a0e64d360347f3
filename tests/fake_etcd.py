"""etcd's transactions over a dict, in one step each: what the carrier's core is tried against."""

from typing import Any

from journal.etcd_wire import Answer, Stored, fields


class FakeEtcd:
    """Applies the requests that `journal.etcd_wire` makes, as etcd does when a quorum has them."""

    def __init__(self) -> None:
        self.values: dict[bytes, bytes] = {}
        self.revision = 1

    def transact(self, request: bytes) -> Answer:
        """Apply one request."""
        parts: list[tuple[int, Any]] = list(fields(request))
        holds = all(self._compare(dict(fields(part))) for number, part in parts if number == 1)
        branch = [part for number, part in parts if number == (2 if holds else 3)]
        before = dict(self.values)
        found = [self._operate(*next(fields(part))) for part in branch]
        self.revision += self.values != before
        return Answer(holds, self.revision, found)

    def keys(self, part: str) -> list[bytes]:
        """The keys of any journal's `r`, `b`, in order."""
        return sorted(key for key in self.values if key.split(b"/")[3] == part.encode())

    def _compare(self, compare: dict[int, Any]) -> bool:
        key = compare[3]
        stored = self.values.get(key)
        match compare.get(2, 0), compare.get(1, 0):
            case 0, 1:
                return stored is not None
            case 1, 0:
                return stored is None
            case 3, result:
                wanted = compare[7]
                if stored is None:
                    return False
                return bool((stored == wanted, stored > wanted, stored < wanted)[result])
        raise AssertionError(compare)

    def _operate(self, number: int, body: Any) -> list[Stored]:
        request: dict[int, Any] = dict(fields(body))
        if number == 2:
            self.values[request[1]] = request[2]
            return []
        low, high = request[1], request.get(2) or request[1] + b"\0"
        keys = sorted(key for key in self.values if low <= key < high)
        if number == 3:
            for key in keys:
                del self.values[key]
            return []
        return [Stored(key, self.values[key]) for key in keys[: request.get(3) or None]]
