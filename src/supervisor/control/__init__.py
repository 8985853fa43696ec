"""The control API on the supervisor's Unix socket: what it offers, and who serves it."""
