"""The MVCC replica on LMDB, its keys and its rows."""
