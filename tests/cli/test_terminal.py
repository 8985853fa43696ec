"""`modelsvc` as a process of its own: on a terminal, interrupted, and in a pipe that closes."""

import os
import pty
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli import samples
from tests.cli.conftest import Run, Spawn
from tests.cli.screen import COMMAND, read_all
from tests.cli.scripted import Script

from supervisor.protocol import ExitCode, StepState

DEPLOY = "POST /v1/deployments"


def on_terminal(*args: str) -> tuple[int, str]:
    """Exit code, and all that a terminal received."""
    leader, follower = pty.openpty()
    env = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "100", "LINES": "40", "PYTHONIOENCODING": "utf-8"}
    process = subprocess.Popen([*COMMAND, *args], stdin=follower, stdout=follower, stderr=follower, env=env)
    os.close(follower)
    received = read_all(leader)
    os.close(leader)
    return process.wait(60), received.decode()


def plain(screen: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", screen).replace("\r", "")


def test_a_terminal_sees_the_steps_and_the_verdict(daemon: Script) -> None:
    daemon.stream(DEPLOY, samples.DEPLOYED)
    code, screen = on_terminal("ctl", "deploy")
    assert code == ExitCode.DONE
    for title in samples.TITLES:
        assert title in screen
    assert screen.count("✓") >= 13
    assert "13/13" in screen
    assert plain(screen).rstrip().splitlines()[-1] == "deployment 4: blue -> green, release 7, 3.2 s"


def test_a_terminal_sees_progress_inside_a_step(daemon: Script) -> None:
    running = samples.changed(5, StepState.RUNNING)
    daemon.stream(DEPLOY, [samples.ACCEPTED, *samples.walk(4), running, samples.LOADING], hold=True)
    code, screen = on_terminal("ctl", "deploy", "--timeout", "2")
    assert code == ExitCode.TIMED_OUT
    assert "loading 42 %" in screen
    assert "4/13" in screen
    assert "deployment 4 goes on" in screen


def test_a_terminal_sees_what_failed_and_was_undone(daemon: Script) -> None:
    daemon.stream(DEPLOY, samples.SPOILT)
    code, screen = on_terminal("ctl", "deploy")
    assert code == ExitCode.FAILED
    assert "✗" in screen
    assert "↩" in screen
    assert "gate prompt 2" in screen
    assert "rolled back at step 6" in plain(screen).replace("\n", " ")


def test_a_terminal_sees_an_operation_without_steps(daemon: Script) -> None:
    daemon.stream("POST /v1/workers/green/start", [samples.STARTED])
    code, screen = on_terminal("ctl", "start", "green")
    assert code == ExitCode.DONE
    assert plain(screen).rstrip().splitlines()[-1] == "start green: done, 1.2 s"


def test_json_on_a_terminal_stays_json(daemon: Script) -> None:
    daemon.stream(DEPLOY, samples.DEPLOYED)
    _, screen = on_terminal("ctl", "deploy", "--json")
    assert "\x1b" not in screen
    assert len(screen.splitlines()) == len(samples.DEPLOYED)


@pytest.mark.parametrize("form", [[], ["--json"]], ids=["text", "json"])
def test_ctrl_c_leaves_the_deployment_running_and_says_so(daemon: Script, form: list[str]) -> None:
    daemon.stream(DEPLOY, [samples.ACCEPTED], hold=True)
    pipe = subprocess.PIPE
    command = [*COMMAND, "ctl", "deploy", *form]
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=unbuffered()) as process:
        assert process.stdout is not None
        assert "4" in process.stdout.readline()  # it watches now
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err == "modelsvc: deployment 4 goes on; watch it with `modelsvc ctl status`\n"
    assert ("interrupted" in out) == bool(form)


def unbuffered() -> dict[str, str]:
    return {**os.environ, "PYTHONUNBUFFERED": "1"}


def test_a_pipe_that_closes_early_is_no_traceback(daemon: Script) -> None:
    daemon.stream(DEPLOY, samples.DEPLOYED)
    with subprocess.Popen([*COMMAND, "ctl", "deploy"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert b"Traceback" not in process.stderr.read()


def test_no_error_of_a_user_is_a_traceback(spawn: Spawn) -> None:
    for args in (
        ["ctl", "status"],
        ["ctl", "deploy", "--model", "x"],
        ["nonsense"],
        ["chat", "hi", "--url", "ftp://x"],
    ):
        process = spawn(*args)
        assert process.stderr.startswith("modelsvc: ")
        assert process.stderr.count("\n") == 1


def test_status_imports_nothing_slow(daemon: Script) -> None:
    """`ctl status` may take 0.4 s on a busy machine, most of which is spent on imports."""
    daemon.reply("GET /v1/status", samples.STATUS)
    command = [sys.executable, "-X", "importtime", "-m", "modelsvc", "ctl", "status"]
    process = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in process.stderr.splitlines()}
    assert {"click", "msgspec"} <= imported
    slow = {"rich", "httpx", "pydantic", "litestar", "structlog", "llama_cpp", "asyncio", "granian"}
    assert imported & slow == set()


def test_up_becomes_the_supervisor(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Signals, and launchd's bookkeeping, must meet the supervisor itself."""
    calls: list[list[str]] = []
    monkeypatch.setattr(os, "execv", lambda path, argv: calls.append([path, *argv]))
    (tmp_path / "c.toml").touch()
    run("up")
    run("up", "--config", "c.toml")
    run("up", "--json")
    base = [sys.executable, sys.executable, "-P", "-m", "supervisor"]
    assert calls == [base, [*base, "--config", str(tmp_path / "c.toml")], [*base, "--json"]]


def test_up_with_a_missing_configuration_is_misuse(run: Run) -> None:
    result = run("up", "--config", "nowhere.toml")
    assert result.exit_code == ExitCode.MISUSE
    assert "nowhere.toml" in result.stderr
