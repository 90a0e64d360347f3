"""The ordered, durable log and its vocabulary."""
