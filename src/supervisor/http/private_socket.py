"""A Unix socket that only its owner can open, made without the umask: that is one for the whole process, and would take
rights away from whatever another task or thread creates in that time.
"""

import os
import socket
import sys
from pathlib import Path

OWNER_ONLY = 0o600


def bind_private(kind: int, path: Path) -> socket.socket:
    """Bound at `path`, not listening and not blocking. Raises OSError where it cannot be made.

    On Linux it comes to be with these rights. Elsewhere it has them a moment later: for a stream socket that is before
    anybody can connect; a datagram socket belongs in a folder that only the owner can enter.
    """
    made = socket.socket(socket.AF_UNIX, kind)
    try:
        if sys.platform == "linux":
            os.fchmod(made.fileno(), OWNER_ONLY)
        made.bind(str(path))
        path.chmod(OWNER_ONLY)  # the umask may have taken more away
    except OSError:
        made.close()
        raise
    made.setblocking(False)
    return made
