"""The service manager that runs the supervisor, if one does: sockets it bound for us, and what it wants to be told."""
