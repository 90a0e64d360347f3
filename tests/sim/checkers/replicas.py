"""S2, S3: at a quiet point every shard holds at its complete time exactly what the journals say."""

from tests.sim.checkers.base import Checker, Violation


class Replicas(Checker):
    def at_end(self, shards):
        for number, shard in enumerate(shards):
            have = {key: value for key, _ts, value in shard.rows.visible(shard.complete)}
            for key in sorted(self.history.versions):
                if shard.lo <= key < shard.hi:
                    expected = self.history.value(key, shard.complete)
                    if have.get(key) != expected:
                        text = f"shard {number} has {key!r} = {have.get(key)!r}, should be {expected!r}"
                        raise Violation("S3", text)
