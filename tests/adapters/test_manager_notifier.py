"""What the service manager hears, over a real datagram socket."""

import asyncio
import os
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import structlog
from tests.core.world import BLUE, booting, first, second

from supervisor.core import events as ev
from supervisor.core.state import EdgePhase, State
from supervisor.manager.notifier import Notifier
from supervisor.manager.status_line import status_text


class Inbox:
    """A manager's socket."""

    def __init__(self, address: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address)
        self.socket.setblocking(False)

    def messages(self) -> list[dict[str, str]]:
        found: list[dict[str, str]] = []
        while True:
            try:
                message = self.socket.recv(4096).decode()
            except BlockingIOError:
                return found
            found.append(dict(line.split("=", 1) for line in message.splitlines()))


@pytest.fixture
def inbox(folder: Path) -> Iterator[Inbox]:
    inbox = Inbox(str(folder / "m.sock"))
    yield inbox
    inbox.socket.close()


def ending(state: State) -> State:
    return replace(state, shutdown="r")


# --- what is sent -----------------------------------------------------------------------------------------------------


def test_why_it_ends_is_told_in_one_line(folder: Path, inbox: Inbox) -> None:
    """A line of its own would be another field."""
    Notifier(str(folder / "m.sock")).failed("these are wrong:\n  edge.listen=x\n  READY=1")
    assert inbox.messages() == [{"STATUS": "these are wrong: edge.listen=x READY=1"}]


def test_the_status_is_told_when_it_changes(folder: Path, inbox: Inbox) -> None:
    """And the time that a start, or an end, may still take each time."""
    notifier = Notifier(str(folder / "m.sock"))
    notifier.look(booting().state)
    notifier.ready()
    for state in (first().state, first().state, second().state, ending(second().state), ending(second().state)):
        notifier.look(state)
    extended = {"EXTEND_TIMEOUT_USEC": "30000000"}
    assert inbox.messages() == [
        {"STATUS": "nginx is absent"} | extended,
        {"READY": "1"},
        {"STATUS": "blue serves release 1"},
        {"STATUS": "green serves release 2"},
        {"STATUS": "stopping, running answers are finished first; green serves release 2", "STOPPING": "1"} | extended,
        extended,
    ]


async def test_the_watchdog_is_fed_as_long_as_the_loop_turns(folder: Path, inbox: Inbox) -> None:
    """A loop that hangs sends nothing more."""
    notifier = Notifier(str(folder / "m.sock"), watchdog_s=0.2)
    running = asyncio.create_task(notifier.run(lambda: first().state))
    while sum("WATCHDOG" in message for message in inbox.messages()) < 1:
        await asyncio.sleep(0.01)
    assert notifier.interval_s == 0.05
    running.cancel()
    await asyncio.wait({running})
    assert "WATCHDOG" in inbox.messages()[-1]


async def test_the_last_look_is_at_the_end(folder: Path, inbox: Inbox) -> None:
    """Quick ends are told, too."""
    state = first().state
    notifier = Notifier(str(folder / "m.sock"))
    running = asyncio.create_task(notifier.run(lambda: state))
    await asyncio.sleep(0)
    state = ending(state)
    running.cancel()
    await asyncio.wait({running})
    assert inbox.messages()[-1]["STOPPING"] == "1"


@pytest.mark.skipif(not os.path.isdir("/proc"), reason="only Linux has abstract names")  # noqa: PTH112
def test_an_abstract_address_is_understood() -> None:
    """systemd may use one."""
    name = f"modelsvc-test-{os.getpid()}"
    inbox = Inbox(f"\0{name}")
    Notifier(f"@{name}").ready()
    assert inbox.messages() == [{"READY": "1"}]
    inbox.socket.close()


def test_a_manager_that_does_not_listen_disturbs_nobody(folder: Path) -> None:
    """It is logged, and not again with each look."""
    notifier = Notifier(str(folder / "nobody.sock"))
    with structlog.testing.capture_logs() as lines:
        for _ in range(3):
            notifier.ready()
    assert [line["event"] for line in lines] == ["manager_not_told"]


# --- what is taken from the environment -------------------------------------------------------------------------------


def test_the_managers_variables_are_taken_away() -> None:
    """Workers get a socket of our own, and hooks none."""
    environ = {"NOTIFY_SOCKET": "/run/n", "WATCHDOG_USEC": "2000000", "WATCHDOG_PID": str(os.getpid()), "PATH": "/bin"}
    notifier = Notifier.take(environ)
    assert (notifier.address, notifier.watchdog_s) == ("/run/n", 2.0)
    assert environ == {"PATH": "/bin"}


@pytest.mark.parametrize(
    "environ", [{}, {"WATCHDOG_USEC": "no"}, {"WATCHDOG_USEC": "0"}, {"WATCHDOG_USEC": "5", "WATCHDOG_PID": "1"}]
)
def test_there_may_be_no_watchdog(environ: dict[str, str]) -> None:
    """Or one that watches another process."""
    assert Notifier.take(environ).watchdog_s is None


# --- the status in one line -------------------------------------------------------------------------------------------


def test_the_status_says_what_serves_and_what_is_going_on() -> None:
    """In words for `systemctl status`."""
    deploying = first()
    deploying.deploy()
    crashed = first()
    crashed.crash(BLUE)
    leaving = first()
    leaving.tell(ev.HandoverRequested("r"))
    assert status_text(booting().state) == "nginx is absent"
    assert status_text(replace(booting().state, edge=EdgePhase.RUNNING)) == "no worker serves yet"
    assert status_text(crashed.state) == "no worker serves, blue is backoff"
    assert status_text(replace(first().state, paused=True)) == "requests are held"
    assert status_text(deploying.state).startswith("blue serves release 1; deployment 2 (deploy to green): step 1, ")
    assert status_text(leaving.state).startswith("being replaced, ")
