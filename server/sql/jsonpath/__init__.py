"""SQL/JSON path: from its text to what it finds in a document (PostgreSQL, chapter 9.16.2)."""
