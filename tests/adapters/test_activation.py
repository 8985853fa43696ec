"""Sockets of a service manager: systemd's protocol by real descriptors, launchd's by a compiled library."""

import ctypes
import errno
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.support.service_manager import ACTIVATED, launchd_library

from supervisor.errors import ActivationError
from supervisor.manager.activation import Inherited, systemd_sockets
from supervisor.manager.launchd import launchd_sockets
from supervisor.ports import Address, resolve

# What a program that was passed a socket sees of it.
LOOK = """
import os
from supervisor.manager.activation import inherit
(found,) = inherit().sockets
left = [name for name in os.environ if name.startswith("LISTEN_")]
print(found.getsockname()[1], os.get_inheritable(found.fileno()), found.fileno(), left)
"""


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


# --- systemd ----------------------------------------------------------------------------------------------------------


def test_a_passed_socket_is_taken_and_no_child_gets_to_know(listener: socket.socket) -> None:
    """Variables are gone, and the descriptor is closed when a program is started."""
    descriptor = listener.fileno()
    done = subprocess.run(
        [sys.executable, ACTIVATED, str(descriptor), sys.executable, "-c", LOOK],
        pass_fds=[descriptor],
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.stdout.split() == [str(port(listener)), "False", "3", "[]"], done.stderr


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"LISTEN_FDS": "1"},
        {"LISTEN_PID": "1", "LISTEN_FDS": "1"},
        {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": ""},
        {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "-1"},
    ],
)
def test_what_was_meant_for_another_process_is_not_taken(environ: dict[str, str]) -> None:
    """But removed all the same: no child is to take it for its own."""
    assert systemd_sockets(environ) == []
    assert environ == {}


def test_each_socket_that_is_counted_is_taken(listener: socket.socket) -> None:
    """They follow each other."""
    first = duplicate_pair(listener)
    environ = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "2", "LISTEN_FDNAMES": "edge:other"}
    taken = systemd_sockets(environ, first)
    try:
        assert [port(each) for each in taken] == [port(listener)] * 2
    finally:
        for each in taken:
            each.close()


def test_what_is_no_socket_is_told(tmp_path: Path) -> None:
    """A file, and a descriptor that is not open."""
    with (tmp_path / "file").open("w") as file:
        for descriptor in (file.fileno(), 4000):
            with pytest.raises(ActivationError, match=f"descriptor {descriptor}, .* is no socket"):
                systemd_sockets({"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1"}, descriptor)


def duplicate_pair(listener: socket.socket) -> int:
    """Two descriptors in a row; the number of the first."""
    first = 200
    os.dup2(listener.fileno(), first)
    os.dup2(listener.fileno(), first + 1)
    return first


# --- what a socket is for ---------------------------------------------------------------------------------------------


def test_a_socket_is_known_by_its_address(listener: socket.socket) -> None:
    """However the address was written."""
    inherited = Inherited((listener,))
    assert inherited.at(resolve(f"127.0.0.1:{port(listener)}")) is listener
    assert inherited.at(Address("127.0.0.1", 1)) is None
    assert inherited.at(Address("::1", port(listener))) is None
    assert inherited.elsewhere(Address("127.0.0.1", 1)) == (Address("127.0.0.1", port(listener)),)
    assert inherited.elsewhere(Address("127.0.0.1", port(listener))) == ()


@pytest.mark.parametrize(("bound", "wanted"), [("127.0.0.1", "0.0.0.0"), ("0.0.0.0", "127.0.0.1"), ("0.0.0.0", "::")])
def test_all_hosts_of_a_port_leave_no_room_for_one(bound: str, wanted: str) -> None:
    """Nor the other way round; another port does."""
    with socket.create_server((bound, 0)) as listener:
        inherited, at = Inherited((listener,)), Address(bound, port(listener))
        assert inherited.in_the_way(Address(wanted, at.port)) == at
        assert inherited.in_the_way(Address(wanted, 1)) is None
        assert inherited.in_the_way(Address("127.0.0.2", at.port)) == (at if bound == "0.0.0.0" else None)
        assert inherited.in_the_way(at) is None


def test_a_socket_of_ipv6_is_found() -> None:
    """Its address has four parts."""
    if not socket.has_ipv6:
        pytest.skip("there is no IPv6")
    try:
        listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("there is no IPv6 loopback address")
    with listener:
        assert Inherited((listener,)).at(resolve(f"[::1]:{port(listener)}")) is listener


def test_sockets_of_other_kinds_are_passed_over(tmp_path: Path) -> None:
    """A Unix socket is no address of the edge."""
    with closing(socket.socket(socket.AF_UNIX)) as other:
        other.bind(str(tmp_path / "s"))
        assert Inherited((other,)).at(Address("127.0.0.1", 8080)) is None
        assert Inherited((other,)).elsewhere(Address("127.0.0.1", 8080)) == ()


# --- launchd ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def library(tmp_path: Path) -> Path:
    return launchd_library(tmp_path)


def test_launchd_gives_its_sockets_by_name(
    library: Path, listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the array that named them is freed, once."""
    monkeypatch.setenv("MODELSVC_TEST_SOCKET", f"{os.dup(listener.fileno())},{os.dup(listener.fileno())}")
    taken = launchd_sockets("edge", str(library))
    try:
        assert [port(each) for each in taken] == [port(listener)] * 2
        assert ctypes.CDLL(str(library)).times_freed() == 1
    finally:
        for each in taken:
            each.close()


@pytest.mark.parametrize(("name", "told"), [("edge", None), ("unknown", "0")])
def test_who_was_not_started_by_launchd_gets_none(
    library: Path, monkeypatch: pytest.MonkeyPatch, name: str, told: str | None
) -> None:
    """Started in a terminal (ESRCH), or by a job without that socket (ENOENT)."""
    if told:
        monkeypatch.setenv("MODELSVC_TEST_SOCKET", told)
    assert launchd_sockets(name, str(library)) == []


def test_launchds_refusal_is_told(library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the reason and what to do."""
    monkeypatch.setenv("MODELSVC_TEST_FAILURE", str(errno.EALREADY))
    with pytest.raises(ActivationError, match=r"'edge': .*already.*`modelsvc service install`"):
        launchd_sockets("edge", str(library))


def port(listener: socket.socket) -> int:
    number: int = listener.getsockname()[1]
    return number
