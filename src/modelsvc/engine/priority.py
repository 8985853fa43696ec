"""Threads that stand back: they compute only what others leave them.

Priority is a thread's own, and on Linux those that it starts inherit it. An unprivileged thread cannot get it back:
work that is to go on at normal priority goes on in a new thread, started by one that never stood back.
"""

import ctypes
import os
import sys
import threading
from collections.abc import Callable

# Beside a busy thread of normal priority, this gets a quarter of a core on Linux: enough to come up in seconds.
NICENESS = 5
_QOS_CLASS_UTILITY = 0x11


def stand_back() -> None:
    """Lower the calling thread's priority; threads that it starts should do the same. A refusal changes nothing."""
    if sys.platform == "darwin":
        ctypes.CDLL(None).pthread_set_qos_class_self_np(_QOS_CLASS_UTILITY, 0)
    elif sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), max(NICENESS, niceness()))


def niceness() -> int:
    """The calling thread's, on Linux."""
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


def run_standing_back(work: Callable[[], object]) -> None:
    """Have it done by a thread that stands back, and wait for that. Raises what it raises."""
    raised: list[BaseException] = []

    def run() -> None:
        stand_back()
        try:
            work()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=run, name="standing back", daemon=True)
    thread.start()
    thread.join()
    if raised:
        raise raised[0]
