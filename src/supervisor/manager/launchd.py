"""Sockets that launchd bound for this job, by their name in the job's `Sockets`."""

import ctypes
import errno
import os
import socket

from supervisor.errors import ActivationError

LIBRARY = "/usr/lib/libSystem.B.dylib"
# Not a job of launchd at all, and a job without a socket of that name.
NONE_FOR_US = {errno.ESRCH, errno.ENOENT}


def launchd_sockets(name: str, library: str = LIBRARY) -> list[socket.socket]:
    """The sockets of that name, listening; none when launchd did not start this process. Can be asked once.

    Raises ActivationError when launchd has some and does not give them away.
    """
    system = ctypes.CDLL(library)
    descriptors, count = ctypes.POINTER(ctypes.c_int)(), ctypes.c_size_t()
    system.launch_activate_socket.argtypes = (
        ctypes.c_char_p,
        ctypes.POINTER(ctypes.POINTER(ctypes.c_int)),
        ctypes.POINTER(ctypes.c_size_t),
    )
    failure = system.launch_activate_socket(name.encode(), ctypes.byref(descriptors), ctypes.byref(count))
    if failure in NONE_FOR_US:
        return []
    if failure:
        raise ActivationError(
            f"launchd does not hand over the socket {name!r}: {os.strerror(failure)}; install the service again with"
            " `modelsvc service install`"
        )
    try:
        return [socket.socket(fileno=descriptors[place]) for place in range(count.value)]
    finally:
        system.free.argtypes = (ctypes.c_void_p,)
        system.free(descriptors)
