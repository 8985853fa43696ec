"""A second descriptor of the socket that a running nginx listens on (Linux 5.6 and later).

With it a supervisor that adopted nginx holds the socket too, and clients wait in its queue should nginx be killed. It
needs the right to trace the process, which some systems give to nobody: then the socket is bound anew when it is free.
"""

import ctypes
import os
import socket
import sys
from contextlib import suppress

import psutil

from supervisor.ports import Address

PIDFD_GETFD = 438  # the same on every architecture


def listening_socket(pid: int, address: Address) -> socket.socket | None:
    """The socket that process `pid` listens on at `address`; None where it cannot be had."""
    if sys.platform != "linux":
        return None
    with suppress(OSError, psutil.Error):
        descriptor = _duplicate(pid, _descriptor(pid, address))
        return socket.socket(fileno=descriptor)
    return None


def _descriptor(pid: int, address: Address) -> int:
    """Its number over there. Raises ProcessLookupError when the process listens on no such address."""
    for entry in psutil.Process(pid).net_connections(address.kind):
        if entry.status == psutil.CONN_LISTEN and entry.laddr == (address.host, address.port):
            return int(entry.fd)
    raise ProcessLookupError(f"process {pid} does not listen on {address}")


def _duplicate(pid: int, descriptor: int) -> int:
    process = os.pidfd_open(pid)
    try:
        duplicate: int = ctypes.CDLL(None, use_errno=True).syscall(PIDFD_GETFD, process, descriptor, 0)
    finally:
        os.close(process)
    if duplicate < 0:
        raise OSError(ctypes.get_errno(), "pidfd_getfd")
    os.set_inheritable(duplicate, False)
    return duplicate
