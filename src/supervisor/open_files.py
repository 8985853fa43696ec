"""How many files and sockets a process may have open: from a shell 1,024 on Linux and 256 on macOS, unless it asks."""

import resource
from contextlib import suppress

OPEN_FILES = 8192  # nginx needs two for a client that waits; macOS gives 10,240 to a process at most


def attainable() -> int:
    """As many as may be needed, or as the system lets this user's processes have."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)


def raise_limit() -> None:
    """Have that many, here and in every process that is started from here; more stays more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < attainable():
        with suppress(ValueError, OSError):  # macOS may have a lower limit of its own
            resource.setrlimit(resource.RLIMIT_NOFILE, (attainable(), hard))
