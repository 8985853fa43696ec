"""Listen addresses, and ports that are taken."""

import os
import socket

import pytest
from disposable.ports import free_port

from supervisor.errors import ConfigError, PortTaken
from supervisor.ports import Address, bind, check_free, holder_of, resolve


@pytest.mark.parametrize(
    ("listen", "printed"),
    [
        ("127.0.0.1:8080", "127.0.0.1:8080"),
        ("localhost:8080", "127.0.0.1:8080"),
        (":8080", "0.0.0.0:8080"),
        ("[::1]:8080", "[::1]:8080"),
    ],
)
def test_an_address_is_made_numeric(listen: str, printed: str) -> None:
    """nginx matches an inherited socket by its numeric address."""
    assert str(resolve(listen)) == printed


@pytest.mark.parametrize("listen", ["", "8080:", "127.0.0.1:http-or-so", "no such host:80", "127.0.0.1:99999999"])
def test_what_is_no_address_is_a_configuration_error(listen: str) -> None:
    """The message repeats the value."""
    with pytest.raises(ConfigError, match=r"edge\.listen is"):
        resolve(listen)


def test_a_taken_port_names_its_holder() -> None:
    """Whoever reads the message knows what to stop."""
    address = Address("127.0.0.1", free_port())
    with bind(address):
        with pytest.raises(PortTaken, match=rf"{address.port} is taken by .*\(pid {os.getpid()}\)"):
            check_free(address.host, address.port)
        assert holder_of("0.0.0.0", address.port)
    check_free(address.host, address.port)
    assert holder_of(address.host, address.port) is None


def test_an_address_of_another_machine_cannot_be_listened_on() -> None:
    """It is not taken, it is wrong."""
    with pytest.raises(ConfigError, match=r"cannot listen on 192\.0\.2\.1"):
        bind(Address("192.0.2.1", 8080))


def test_a_bound_socket_listens_already() -> None:
    """Clients wait in its queue before anyone serves."""
    address = Address("127.0.0.1", free_port())
    with bind(address), socket.create_connection((address.host, address.port), timeout=1):
        pass
