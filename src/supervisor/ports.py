"""TCP ports: what a listen address means, the listening socket, and who sits on a port that should be ours."""

import errno
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import psutil

from supervisor.errors import ConfigError, PortTaken

BACKLOG = 511
WILDCARDS = {"0.0.0.0", "::"}


@dataclass(frozen=True, slots=True)
class Address:
    """A numeric host and a port; prints as `127.0.0.1:8080` or `[::1]:8080`."""

    host: str
    port: int

    @property
    def family(self) -> socket.AddressFamily:
        return socket.AF_INET6 if ":" in self.host else socket.AF_INET

    @property
    def kind(self) -> str:
        """psutil's name for connections of this family; reading both takes twice as long."""
        return "tcp6" if self.family == socket.AF_INET6 else "tcp4"

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if self.family == socket.AF_INET6 else f"{self.host}:{self.port}"


def resolve(listen: str) -> Address:
    """`host:port`, as a numeric address. Raises ConfigError when it names none."""
    host, _, port = listen.rpartition(":")
    try:
        found = socket.getaddrinfo(
            host.strip("[]") or None, _port(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except (OSError, ValueError) as error:
        raise ConfigError(f"edge.listen is {listen!r}, which is no address to listen on: {error}") from error
    numeric = min(found, key=lambda entry: entry[0] != socket.AF_INET)[4]
    return Address(str(numeric[0]), int(numeric[1]))


def bind(address: Address) -> socket.socket:
    """A listening socket. Raises PortTaken, naming the holder."""
    try:
        return _listening(address)
    except OSError as error:
        raise _refusal(address, error) from error


def is_free(address: Address) -> bool:
    """Whether `bind` would succeed now; quicker than asking who is in the way."""
    return obstacle(address) is None


def obstacle(address: Address) -> OSError | None:
    """Why nobody could listen on the address now; None when somebody could."""
    try:
        _listening(address).close()
    except OSError as error:
        return error
    return None


def check_free(host: str, port: int) -> None:
    """Raises PortTaken, naming the holder, when nobody else could listen on the port now."""
    bind(Address(host, port)).close()


@contextmanager
def naming(setting: str) -> Iterator[None]:
    """Have PortTaken errors say which setting the port is from."""
    try:
        yield
    except PortTaken as error:
        raise PortTaken(f"{setting}: {error.message}") from None


def holder_of(host: str, port: int) -> str | None:
    """Who listens on the port, as `nginx (pid 123)`; None when nobody does that this user may see."""
    address = Address(host, port)
    return next((f"{name_of(process)} (pid {process.pid})" for process in listeners([address])[address]), None)


def listeners(addresses: Iterable[Address]) -> dict[Address, list[psutil.Process]]:
    """The processes that listen on each address, as far as this user may see them; one pass over all processes."""
    found: dict[Address, list[psutil.Process]] = {address: [] for address in addresses}
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            heard = [entry.laddr for entry in process.net_connections("tcp") if entry.status == psutil.CONN_LISTEN]
            for address, holders in found.items():
                if any(its.port == address.port and _overlap(its.ip, address.host) for its in heard):
                    holders.append(process)
    return found


def name_of(process: psutil.Process) -> str:
    """Also of one that has just ended."""
    with suppress(psutil.Error):
        return str(process.name())
    return "a process"


def _port(text: str) -> int:
    if not 0 < int(text) < 65536:
        raise ValueError("a port is 1 to 65535")
    return int(text)


def _listening(address: Address) -> socket.socket:
    listener = socket.socket(address.family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address.host, address.port))
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def _overlap(one: str, other: str) -> bool:
    return one == other or bool({one, other} & WILDCARDS)


def _refusal(address: Address, error: OSError) -> PortTaken | ConfigError:
    if error.errno == errno.EADDRINUSE:
        holder = holder_of(address.host, address.port) or "another process"
        return PortTaken(f"{address} is taken by {holder}: stop it, or configure another port")
    return ConfigError(f"cannot listen on {address}: {error.strerror}: configure another address", code="cannot_listen")
