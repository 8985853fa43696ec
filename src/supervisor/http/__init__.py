"""What the supervisor's own HTTP servers have in common: their limits, and sockets that only the owner can open."""
