"""A storage node: replicas of shards in a process of their own."""
