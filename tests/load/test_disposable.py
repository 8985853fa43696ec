"""Disposable services: what goes wrong with one is told, and nothing is left of it."""

import sys

import pytest
from disposable.errors import Failed
from disposable.processes import processes_of
from disposable.service import Service, service_folder
from disposable.waiting import until

ENDS_AT_ONCE = (sys.executable, "-c", "print('no, thank you')")
LEAVES_A_CHILD = (
    sys.executable,
    "-c",
    "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])",
)


def test_a_supervisor_that_ends_is_told_at_once_with_what_it_said() -> None:
    """Nobody waits for the deadline; the folder is gone."""
    with (
        pytest.raises(Failed, match="the supervisor ended: no, thank you"),
        service_folder(Service, program=ENDS_AT_ONCE) as service,
    ):
        folder = service.folder
        service.launch()
        service.settled()
    assert not folder.exists()


def test_what_is_left_of_a_service_is_told_and_killed() -> None:
    """By the folder it works in."""
    with (
        pytest.raises(Failed, match=r"left over: .*time\.sleep"),
        service_folder(Service, program=LEAVES_A_CHILD) as service,
    ):
        folder = service.folder
        service.launch()
        service.exit_code()
    assert not processes_of(folder)


def test_an_interruption_is_told_whatever_is_left() -> None:
    """It may come before we know of a process that is there already."""
    with (
        pytest.raises(KeyboardInterrupt) as caught,
        service_folder(Service, program=LEAVES_A_CHILD) as service,
    ):
        folder = service.folder
        service.launch()
        service.exit_code()
        raise KeyboardInterrupt
    assert "left over" in caught.value.__notes__[-1]
    assert not processes_of(folder)


def test_what_does_not_come_is_told_by_its_name() -> None:
    """At the deadline."""
    with pytest.raises(Failed, match="after 0 s still not: pigs fly"):
        until(lambda: False, "pigs fly", 0)
