"""Descriptors of tables, indexes, schemas and roles, and the views that show them."""
