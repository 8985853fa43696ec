"""Ctrl-C ends whatever asks and waits: exit code 130, no traceback."""

import os
import pty
import signal
import subprocess
import time
from contextlib import suppress

import pytest
from disposable.waiting import until
from tests.cli.conftest import Run
from tests.cli.screen import COMMAND, read_all
from tests.cli.scripted import Answer, Script

import modelsvc.cli
from modelsvc.cli import chat

INTERRUPTED = 130
HELD = Answer([b'event: token\r\ndata: {"text": "Hel"}\r\n\r\n'], content_type="text/event-stream", hold=True)


def interrupted(script: Script, *args: str) -> tuple[int, str]:
    """Exit code and stderr of a command that gets Ctrl-C while it waits for the answer to what it asked."""
    pipe = subprocess.PIPE
    with subprocess.Popen([*COMMAND, *args], stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdin is not None
        process.stdin.write("hi\n")
        process.stdin.flush()
        try:
            until(lambda: script.asked, "the request arrived", 60)
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=60)
        finally:
            process.kill()
    return process.returncode, err


@pytest.mark.parametrize(
    ("request_line", "args"),
    [
        ("POST /chat", ("chat", "hi")),
        ("POST /chat", ("chat", "--json", "hi")),
        ("POST /chat", ("chat", "--no-stream", "hi")),
        ("POST /chat/ada", ("chat", "--user", "ada")),
        ("GET /ready", ("health",)),
    ],
    ids=["chat", "json", "whole", "piped", "health"],
)
def test_ctrl_c_at_the_edge(edge: tuple[Script, str], request_line: str, args: tuple[str, ...]) -> None:
    script, url = edge
    script.answers[request_line] = HELD
    code, err = interrupted(script, *args, "--url", url)
    assert (code, err.strip()) == (INTERRUPTED, "")


def test_ctrl_c_at_the_daemon(daemon: Script) -> None:
    daemon.answers["GET /v1/status"] = HELD
    code, err = interrupted(daemon, "ctl", "status")
    assert (code, err.strip()) == (INTERRUPTED, "")


def test_ctrl_c_at_the_prompt(edge: tuple[Script, str]) -> None:
    _, url = edge
    process, leader = talking("chat", "--user", "ada", "--url", url)
    seen = b""
    while b"you> " not in seen:
        seen += os.read(leader, 4096)
    press_until_over(process, leader, b"\x03")
    left = read_all(leader).decode()
    os.close(leader)
    assert process.returncode == INTERRUPTED
    assert "Traceback" not in left


def press_until_over(process: "subprocess.Popen[bytes]", leader: int, key: bytes) -> None:
    """Python's readline overlooks a signal that comes between its prompt and its first wait."""
    for _ in range(20):
        os.write(leader, key)
        with suppress(subprocess.TimeoutExpired):
            process.wait(3)
            return
    process.kill()


def talking(*args: str) -> "tuple[subprocess.Popen[bytes], int]":
    """A command whose controlling terminal is ours, so that a typed Ctrl-C is a signal to it."""
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, *args],
        stdin=follower,
        stdout=follower,
        stderr=follower,
        start_new_session=True,
        preexec_fn=lambda: os.close(os.open(os.ttyname(0), os.O_RDWR)),  # the first one opened becomes it
    )
    os.close(follower)
    return process, leader


def test_a_nameless_conversation_is_forgotten_with_little_patience(
    edge: tuple[Script, str], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who leaves because nothing answers must not wait `--timeout` once more."""
    script, url = edge
    monkeypatch.setattr(chat, "FORGET_S", 0.1)
    monkeypatch.setattr("secrets.token_hex", lambda _size: "1f")
    script.answers["DELETE /chat/cli-1f"] = HELD
    began = time.monotonic()
    run("chat", "--url", url, input="hi\n")
    assert time.monotonic() - began < 30
    assert script.asked[-1].method == "DELETE"


def test_ctrl_c_while_it_still_imports(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(**_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("modelsvc.cli.tree.cli", interrupt)
    with pytest.raises(SystemExit) as exit_:
        modelsvc.cli.main()
    assert exit_.value.code == INTERRUPTED
