"""A whole cluster of real cores under one seed, one thread and virtual time."""
