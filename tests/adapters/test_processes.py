"""Who is who among processes."""

import subprocess
import sys

import psutil
import pytest

from supervisor import processes


def test_a_clock_that_is_set_does_not_hide_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """A supervisor that comes after the step must know the workers of the one before it."""
    before = processes.started_at(psutil.Process())
    boot = psutil.boot_time()
    if not psutil.LINUX:
        pytest.skip("only Linux computes start times from the time of the boot")
    monkeypatch.setattr(psutil._psplatform, "boot_time", lambda: boot + 3600)  # type: ignore[attr-defined]

    assert psutil.Process().create_time() > psutil.boot_time()
    assert processes.started_at(psutil.Process()) == pytest.approx(before, abs=0.001)
    assert processes.find(psutil.Process().pid, before) is not None


def test_another_process_with_the_pid_is_not_taken_for_it() -> None:
    """Pids are used again."""
    process = psutil.Process()
    assert processes.find(process.pid, processes.started_at(process) - 1) is None


def test_a_process_that_ended_is_found_no_more() -> None:
    """Neither before nor after its parent collects it."""
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    started = processes.started_at(psutil.Process(child.pid))
    assert processes.find(child.pid, started) is not None
    child.kill()
    psutil.Process(child.pid).wait(10)
    assert processes.find(child.pid, started) is None
    child.communicate()
