"""The signals that end a supervisor: kept from its first moment until somebody obeys them.

Imports and the look at the past take a second or so. One that died in it would leave an earlier supervisor's nginx and
workers as they are, although they were to be stopped.
"""

import signal

KEPT = (signal.SIGTERM, signal.SIGUSR2)


def keep() -> None:
    """Have them wait."""
    signal.pthread_sigmask(signal.SIG_BLOCK, KEPT)


def deliver() -> None:
    """Those that waited come now; programs that are started from here on get them as usual."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, KEPT)
