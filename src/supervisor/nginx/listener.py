"""The listening socket of the edge: bound here, passed by the service manager, or shared with an nginx that runs."""

import socket
from collections.abc import Iterable

from supervisor import ports
from supervisor.nginx.inherit import listening_socket
from supervisor.ports import Address


class Listener:
    """Holds it between two nginx; `socket` is None until there is one."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.socket: socket.socket | None = None
        self.lasting = False

    def take(self, listener: socket.socket, *, lasting: bool = False) -> None:
        """Listen on this socket. `lasting`: launchd or systemd bound it, and clients wait there when nginx is gone."""
        # nginx does not look after the mode of an inherited socket: in a blocking one, two workers that wake for one
        # client would leave the slower of them stuck in accept() with all its connections.
        listener.setblocking(False)
        self.socket = listener
        self.lasting = lasting

    def bind(self) -> socket.socket:
        """Bind the address, unless a socket is held already. Raises PortTaken."""
        if self.socket is None:
            self.take(ports.bind(self.address))
        assert self.socket is not None
        return self.socket

    def share(self, pids: Iterable[int]) -> None:
        """Have a descriptor of the socket that one of these processes has, where the system allows it."""
        for pid in pids:
            if self.socket is None and (found := listening_socket(pid, self.address)):
                self.take(found)

    def close(self) -> None:
        """Give it up; a running nginx keeps it."""
        if self.socket is not None:
            self.socket.close()
            self.socket = None
