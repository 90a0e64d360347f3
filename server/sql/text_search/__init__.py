"""Full text search with the configuration simple: texts to words, queries, ranks (PostgreSQL, chapter 12)."""
