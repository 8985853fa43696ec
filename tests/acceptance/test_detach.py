"""`modelsvc up --detach`, what ends such a service, and `modelsvc reset` on a running one."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
import tomli_w
from disposable.ports import is_free
from disposable.processes import processes_of
from disposable.waiting import until
from tests.support.service_fixture import Service, service_folder

from modelsvc.cli.base import INTERRUPTED
from supervisor.protocol import Outlook


@contextmanager
def prepared(**tables: dict[str, Any]) -> Iterator[Service]:
    """A folder with a configuration, and nothing that runs."""
    with service_folder(tables=tables) as service:
        service.config.write_text(tomli_w.dumps(service.tables))
        yield service
        assert service.ctl("shutdown", "--if-running").code == 0
        until(lambda: not processes_of(service.folder), "the supervisor has exited")


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with prepared() as service:
        yield service


@pytest.fixture
def running(service: Service) -> Service:
    """Whatever the test before did."""
    assert service.run("up", "--detach").code == 0
    return service


def test_it_serves_when_the_command_returns(service: Service) -> None:
    """Progress and the supervisor's own words are shown, and say where it is and how to reach it."""
    ran = service.run("up", "--detach")
    assert (ran.code, ran.out) == (0, "")
    assert "step " in ran.err and "deployment 1 succeeded" in ran.err and f"serves at {service.url}" in ran.err
    assert service.chat("Hello!").is_success
    assert "deployment 1 succeeded" in service.state.console_log.read_text()


def test_it_outlives_its_terminal(running: Service) -> None:
    """A session of its own, and nothing to read."""
    pid = running.status().pid
    assert os.getsid(pid) == pid
    if psutil.LINUX:
        assert Path(f"/proc/{pid}/fd/0").resolve() == Path("/dev/null")
        assert Path(f"/proc/{pid}/fd/1").resolve() == running.state.console_log.resolve()


def test_what_runs_already_is_up(running: Service) -> None:
    """That is what was asked for; but not when another configuration was."""
    before = running.status().pid
    again = running.run("up", "--detach", "--json")
    assert again.code == 0 and again.last["already"] and again.last["pid"] == before
    other = running.folder / "other.toml"
    other.write_text(running.config.read_text())
    refused = running.run("up", "--detach", "--config", other)
    assert refused.code == 4 and str(other) in refused.err and "ctl shutdown" in refused.err


def test_the_colour_that_serves_is_printed(running: Service) -> None:
    """For scripts; nothing and exit 1 when none does."""
    active = running.ctl("active")
    assert (active.code, active.out.strip()) == (0, running.status().active)
    assert running.ctl("pause").code == 0
    held = running.ctl("active")
    assert (held.code, held.out) == (1, "") and "modelsvc ctl resume" in held.err
    assert running.ctl("resume").code == 0


def test_logs_are_followed_over_a_restart(running: Service) -> None:
    """What is written before and after it is shown, and in between that nobody answers."""
    command = [sys.executable, "-m", "modelsvc", "ctl", "logs", "supervisor", "-n", "1", "--follow"]
    streams: Any = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=running.env, **streams) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline()
        assert running.ctl("pause").code == 0
        assert any('"paused": true' in line for line in process.stdout)
        assert running.ctl("resume").code == 0
        before = running.status().pid
        assert running.ctl("shutdown").code == 0 and "went away" in process.stderr.readline()
        assert running.run("up", "--detach").code == 0 and "is back" in process.stderr.readline()
        assert any('"event": "DeploymentBegan"' in line for line in process.stdout)
        assert running.status().pid != before
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
    assert process.returncode == INTERRUPTED


def test_logs_are_followed_as_long_as_somebody_reads(running: Service) -> None:
    """`… | head -1` ends, though nothing more is written."""
    command = [sys.executable, "-m", "modelsvc", "ctl", "logs", "supervisor", "-n", "1", "--follow"]
    with subprocess.Popen(command, env=running.env, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline()
        process.stdout.close()
        process.wait(timeout=30)


def test_a_shutdown_that_may_find_nothing(running: Service) -> None:
    """Both times it is done; without the option the second is an error."""
    assert running.ctl("shutdown", "--if-running").code == 0
    again = running.ctl("shutdown", "--if-running")
    assert again.code == 0 and "nothing" in again.out
    assert running.ctl("shutdown").code == 3


def test_workers_without_a_supervisor_are_not_nothing(running: Service) -> None:
    """Nor is anything removed under them; `up` takes them over."""
    before = running.status()
    os.kill(before.pid, signal.SIGKILL)
    until(lambda: not psutil.pid_exists(before.pid), "the supervisor is gone")
    for command in (("ctl", "shutdown", "--if-running"), ("reset", "--yes")):
        refused = running.run(*command)
        assert refused.code == 4 and "worker (pid" in refused.err and "nginx (pid" in refused.err, refused
    assert running.run("up", "--detach").code == 0
    after = running.status()
    assert after.active and before.active
    assert after.workers[after.active].pid == before.workers[before.active].pid
    assert running.chat("Hello!").is_success


def test_nothing_is_removed_under_a_supervisor_that_hangs(running: Service) -> None:
    """Its process is named, to be ended; the rest serves on and is taken over."""
    pid = running.status().pid
    os.kill(pid, signal.SIGSTOP)
    refused = running.run("reset", "--yes")
    assert refused.code == 4 and f"kill -9 {pid}" in refused.err and "worker (pid" in refused.err, refused
    os.kill(pid, signal.SIGKILL)
    until(lambda: not psutil.pid_exists(pid), "the supervisor is gone")
    assert running.run("up", "--detach").code == 0
    assert running.chat("Hello!").is_success


def test_a_reset_stops_the_service_and_begins_anew(running: Service) -> None:
    """The next deployment is the first. A configuration that an edit broke does not keep one from it."""
    sound = running.config.read_text()
    running.config.write_text("edge = [")
    assert running.run("reset", "--yes").code == 0
    running.config.write_text(sound)
    assert not running.state.root.exists()
    until(lambda: not processes_of(running.folder), "the supervisor has exited")
    assert is_free(int(running.url.rpartition(":")[2]))
    assert running.run("up", "--detach").code == 0
    assert [past.deployment for past in running.history()] == [1]


def test_waiting_has_an_end(service: Service) -> None:
    """Exit 5; the service goes on starting, and can be waited for again."""
    service.ctl("shutdown", "--if-running")
    late = service.run("up", "--detach", "--timeout", "0.3")
    assert late.code == 5 and "goes on in the background" in late.err
    assert service.run("up", "--detach").code == 0


def test_a_supervisor_that_hangs_is_not_waited_for_without_a_word(running: Service) -> None:
    """It has the state folder, so that none can be started beside it."""
    supervisor = psutil.Process(running.status().pid)
    supervisor.suspend()
    try:
        ran = running.run("up", "--detach", "--timeout", "1")
    finally:
        supervisor.resume()
    assert ran.code == 5
    assert "did not answer within 1 s" in ran.err and "modelsvc doctor" in ran.err


def test_ctrl_c_ends_only_the_waiting(service: Service) -> None:
    """The service is not in the terminal's group."""
    service.ctl("shutdown", "--if-running")
    command = [sys.executable, "-m", "modelsvc", "up", "--detach"]
    with subprocess.Popen(command, env=service.env, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None and "step" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        said = process.stderr.read()
    assert process.returncode == INTERRUPTED and "goes on starting" in said
    assert service.run("up", "--detach").code == 0


@pytest.mark.parametrize(
    ("tables", "code", "words"),
    [
        ({"edge": {"nginx": "/nowhere/nginx"}}, 1, "/nowhere/nginx"),
        ({"model": {"path": "letter.gguf"}}, 2, "letter.gguf"),
        ({"memory": {"budget_gb": 0.01}}, 4, "memory"),
    ],
    ids=["no nginx", "no model", "no room"],
)
def test_a_service_that_cannot_serve_says_why(tables: dict[str, Any], code: int, words: str) -> None:
    """With the supervisor's last words and its exit code; what never serves is not waited for."""
    with prepared(**tables) as service:
        (service.folder / "letter.gguf").write_text("This is a letter.\n")
        ran = service.run("up", "--detach", "--json")
        assert ran.code == code and words in ran.last["error"]["message"], ran
        assert "Traceback" not in ran.err


def test_a_first_release_that_its_gate_refuses_is_not_tried_again() -> None:
    """Who started it is told that the supervisor goes on and what to do, and clients that nobody will come."""
    with prepared() as service:
        gate = {"prompt": "Who?", "expect": "nothing that it could say"}
        service.config.write_text(tomli_w.dumps({**service.tables, "gate": [gate]}))
        ran = service.run("up", "--detach")
        assert ran.code == 1 and "nothing that it could say" in ran.err, ran
        assert "goes on running, and does not try that again" in ran.err and "modelsvc ctl deploy" in ran.err
        assert service.status().outlook is Outlook.GONE
        answer = service.chat("Hello!")
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "no_worker")
        assert (len(service.history()), service.status().deployment) == (1, None)

        service.config.write_text(tomli_w.dumps(service.tables))
        assert service.ctl("deploy").code == 0
        assert service.chat("Hello!").is_success


def test_two_services_do_not_share_a_port(running: Service) -> None:
    """The second one's words name it."""
    with prepared() as second:
        second.tables["edge"] = running.tables["edge"]
        second.config.write_text(tomli_w.dumps(second.tables))
        ran = second.run("up", "--detach")
        assert ran.code == 4 and running.url.removeprefix("http://") in ran.err, ran
        assert json.loads(second.run("up", "--detach", "--json").out)["error"]["type"] == "refused"
