"""Nodes that talk to each other: identities, authenticated links, faults on purpose (DESIGN §9)."""
