"""Sessions and transactions: what a connection remembers."""
