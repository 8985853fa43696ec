"""One private nginx: its templates, its process, its counters, and how it reloads without losing a connection."""
