"""Jobs, attempts and policies in SQLite."""
