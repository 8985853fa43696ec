"""Commands that are run at events."""
