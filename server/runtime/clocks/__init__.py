"""Clocks that know how wrong they may be (DESIGN §4, AR §3.2)."""
