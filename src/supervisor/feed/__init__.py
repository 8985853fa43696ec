"""What happens, numbered and kept for a while, for everyone who follows it."""
