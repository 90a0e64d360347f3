"""Rows that lie in other processes: a query processor's reads from the storage nodes of its region."""
