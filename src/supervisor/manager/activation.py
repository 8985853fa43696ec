"""Listening sockets that the service manager bound before it started us, so that clients can connect while nobody runs.

systemd passes descriptors from number 3 on and names their count in the environment (sd_listen_fds(3)); launchd gives
them to whoever asks by name. What a socket is for is told by its address.
"""

import os
import socket
import sys
from collections.abc import Iterable, MutableMapping
from dataclasses import dataclass

from supervisor.errors import ActivationError
from supervisor.manager.launchd import launchd_sockets
from supervisor.ports import Address

FIRST_DESCRIPTOR = 3
EDGE_SOCKET = "edge"  # its name in launchd's `Sockets`, and FileDescriptorName= for systemd
ALL_HOSTS = {"0.0.0.0", "::"}  # nothing is bound here
LISTEN_VARIABLES = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")


@dataclass(frozen=True, slots=True)
class Inherited:
    """The sockets that were passed to this process."""

    sockets: tuple[socket.socket, ...] = ()

    def at(self, address: Address) -> socket.socket | None:
        """The one that listens on that very address."""
        return next((each for each in self.sockets if _address(each) == address), None)

    def elsewhere(self, address: Address) -> tuple[Address, ...]:
        """Where the others listen: clients that come there wait for nobody."""
        return tuple(found for found in map(_address, self.sockets) if found and found != address)

    def in_the_way(self, address: Address) -> Address | None:
        """Where one listens that leaves no room for `address`, since one of the two is all hosts of the port."""
        same_port = (found for found in self.elsewhere(address) if found.port == address.port)
        return next((found for found in same_port if ALL_HOSTS & {found.host, address.host}), None)


def inherit(environ: MutableMapping[str, str] = os.environ) -> Inherited:
    """Take over what the service manager passed, of which no child is to know. Raises ActivationError."""
    found = systemd_sockets(environ)
    if not found and sys.platform == "darwin":
        found = launchd_sockets(EDGE_SOCKET)
    return Inherited(tuple(_private(found)))


def systemd_sockets(environ: MutableMapping[str, str], first: int = FIRST_DESCRIPTOR) -> list[socket.socket]:
    """What `LISTEN_FDS` counts, if `LISTEN_PID` means us; both are removed from `environ`.

    Raises ActivationError for what is no socket.
    """
    told = {name: environ.pop(name, "") for name in LISTEN_VARIABLES}
    if told["LISTEN_PID"] != str(os.getpid()) or not told["LISTEN_FDS"].isdecimal():
        return []
    return [_socket(first + place) for place in range(int(told["LISTEN_FDS"]))]


def _socket(descriptor: int) -> socket.socket:
    try:
        return socket.socket(fileno=descriptor)
    except OSError as error:
        raise ActivationError(
            f"descriptor {descriptor}, which LISTEN_FDS counts, is no socket: {error.strerror}; pass sockets alone,"
            " or install the service again with `modelsvc service install`"
        ) from None


def _private(sockets: Iterable[socket.socket]) -> Iterable[socket.socket]:
    for each in sockets:
        each.set_inheritable(False)
        yield each


def _address(listener: socket.socket) -> Address | None:
    """Where a TCP socket listens; None for any other kind."""
    if listener.family not in (socket.AF_INET, socket.AF_INET6) or listener.type != socket.SOCK_STREAM:
        return None
    host, port = listener.getsockname()[:2]
    return Address(host, port)
