"""Everything a client or an operator touches, and all wiring."""
