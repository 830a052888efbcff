"""Indexing and assignment of arrays."""
