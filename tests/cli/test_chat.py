"""`modelsvc chat` against a scripted edge."""

import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.cli import samples
from tests.cli.conftest import Run
from tests.cli.scripted import Answer, Script

from modelsvc.cli.edge import listen_address
from supervisor.protocol import ExitCode

ScriptedEdge = tuple[Script, str]
WHOLE = {"response": "Hello Ada", "color": "blue", "release": 6, "finish_reason": "stop"}


def event(name: str, data: object) -> bytes:
    return f"event: {name}\r\ndata: {json.dumps(data)}\r\n\r\n".encode()


TOKENS = [event("token", {"text": text}) for text in ("Hello", " Ada")]
DONE = event("done", WHOLE)


def stream(script: Script, request: str, parts: list[bytes], **how: bool) -> None:
    script.answers[request] = Answer(parts, content_type="text/event-stream; charset=utf-8", **how)


@pytest.mark.parametrize("chunked", [False, True])
def test_the_answer_is_streamed(edge: ScriptedEdge, run: Run, chunked: bool) -> None:
    script, url = edge
    stream(script, "POST /chat", [b": ping\n\n", *TOKENS, DONE], chunked=chunked)
    result = run("chat", "--url", url, "Hello,", "who am I?")
    assert (result.exit_code, result.stdout) == (ExitCode.DONE, "Hello Ada\n")
    assert script.asked[0].body == {"message": "Hello, who am I?", "stream": True}


def test_the_user_and_the_options_are_passed_on(edge: ScriptedEdge, run: Run) -> None:
    script, url = edge
    script.reply("POST /chat/ada%2F1", WHOLE)
    options = ["--user", "ada/1", "--max-tokens", "9", "--temperature", "0", "--no-stream"]
    assert run("chat", "--url", url, *options, "hi").stdout == "Hello Ada\n"
    assert script.asked[0].body == {"message": "hi", "max_tokens": 9, "temperature": 0.0, "stream": False}


def test_json_is_the_final_object(edge: ScriptedEdge, run: Run) -> None:
    script, url = edge
    stream(script, "POST /chat", [*TOKENS, DONE])
    assert json.loads(run("chat", "--url", url, "--json", "hi").stdout) == WHOLE


def test_a_url_may_have_a_path(edge: ScriptedEdge, run: Run) -> None:
    script, url = edge
    script.reply("POST /behind/chat", WHOLE)
    assert run("chat", "--url", f"{url}/behind/", "hi").exit_code == ExitCode.DONE


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, ExitCode.MISUSE),
        (401, ExitCode.MISUSE),
        (413, ExitCode.MISUSE),
        (429, ExitCode.REFUSED),
        (500, ExitCode.FAILED),
        (502, ExitCode.FAILED),
        (503, ExitCode.UNREACHABLE),
        (504, ExitCode.TIMED_OUT),
    ],
)
def test_an_error_is_told_in_the_servers_words(edge: ScriptedEdge, run: Run, status: int, code: ExitCode) -> None:
    script, url = edge
    script.refuse("POST /chat", "whatever", "the prompt is too long", status)
    result = run("chat", "--url", url, "hi", "--json")
    assert (result.exit_code, result.stderr) == (code, "modelsvc: the prompt is too long\n")
    assert json.loads(result.stdout)["error"]["code"] == "scripted"


@pytest.mark.parametrize("page", [b"<html>502</html>", b"", b"[]", b'{"error": "odd"}', b"\xff"])
def test_a_page_of_nginx_is_told_by_its_status(edge: ScriptedEdge, run: Run, page: bytes) -> None:
    script, url = edge
    script.answers["POST /chat"] = Answer([page], 502, "text/html")
    assert run("chat", "--url", url, "hi").stderr == "modelsvc: HTTP 502 Bad Gateway\n"


def test_an_error_in_the_stream_is_a_failure(edge: ScriptedEdge, run: Run) -> None:
    script, url = edge
    error = {"error": {"type": "failed", "message": "the worker failed", "code": "worker"}}
    stream(script, "POST /chat", [*TOKENS, event("error", error)])
    result = run("chat", "--url", url, "hi")
    assert (result.exit_code, result.stderr) == (ExitCode.FAILED, "modelsvc: the worker failed\n")


@pytest.mark.parametrize("chunked", [False, True])
def test_a_stream_that_breaks_off_is_a_failure(edge: ScriptedEdge, run: Run, chunked: bool) -> None:
    script, url = edge
    stream(script, "POST /chat", TOKENS, chunked=chunked, cut=True)
    result = run("chat", "--url", url, "hi")
    assert (result.exit_code, result.stderr) == (ExitCode.FAILED, f"modelsvc: {url} broke its answer off\n")


def test_silence_is_a_timeout(edge: ScriptedEdge, run: Run) -> None:
    script, url = edge
    stream(script, "POST /chat", [], hold=True)
    assert run("chat", "--url", url, "--timeout", "0.2", "hi").exit_code == ExitCode.TIMED_OUT


@pytest.mark.parametrize("answer", [b"no json", b"\xff", b""])
def test_an_answer_that_is_no_json_is_a_failure(edge: ScriptedEdge, run: Run, answer: bytes) -> None:
    script, url = edge
    script.answers["POST /chat"] = Answer([answer])
    assert run("chat", "--url", url, "hi").exit_code == ExitCode.FAILED


def test_nobody_there_is_unreachable(run: Run, unused_tcp_port: int) -> None:
    result = run("chat", "--url", f"http://127.0.0.1:{unused_tcp_port}", "hi")
    assert result.exit_code == ExitCode.UNREACHABLE
    assert "is `modelsvc up` running?" in result.stderr


@pytest.mark.parametrize("url", ["ftp://x", "localhost:8080", "http://", "http://h:99999", "http://[", "http://h:x"])
def test_a_url_that_is_none_is_misuse(run: Run, url: str) -> None:
    result = run("chat", "--url", url, "hi")
    assert result.exit_code == ExitCode.MISUSE
    assert "write it as http://" in result.stderr


def test_undecodable_arguments_are_misuse(run: Run) -> None:
    assert run("chat", "\udcff").exit_code == ExitCode.MISUSE


def test_the_running_daemon_knows_where_the_edge_listens(daemon: Script, edge: ScriptedEdge, run: Run) -> None:
    script, url = edge
    status = json.loads(samples.STATUS_JSON)
    status["edge"]["listen"] = url.removeprefix("http://")
    daemon.reply("GET /v1/status", status)
    script.reply("POST /chat", WHOLE)
    assert run("chat", "hi").exit_code == ExitCode.DONE


def test_without_a_daemon_the_configuration_says_where_the_edge_listens(
    edge: ScriptedEdge, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """nginx may serve on; on the default address there may be a stranger, who is not to get the prompt."""
    script, url = edge
    config = Path("mine.toml")
    config.write_text(f'# größer\n[edge]\nlisten = "{url.removeprefix("http://")}"\n', encoding="utf-8")
    monkeypatch.setenv("MODELSVC_CONFIG", str(config))
    script.reply("POST /chat", WHOLE)
    assert run("chat", "hi").exit_code == ExitCode.DONE


@pytest.mark.parametrize("text", ["[edge", "edge = 1", "[edge]\nlisten = 8080", '[edge]\nlisten = "box.lan:80"'])
@pytest.mark.parametrize("command", [("chat", "hi"), ("health",)])
def test_a_configuration_that_does_not_say_where_is_told(run: Run, command: tuple[str, ...], text: str) -> None:
    """No address is tried instead."""
    config = Path("config") / "modelsvc.toml"
    config.parent.mkdir()
    config.write_text(text)
    result = run(*command)
    assert (result.exit_code, result.stdout) == (ExitCode.MISUSE, "")
    assert "modelsvc.toml" in result.stderr


@pytest.mark.parametrize(
    ("listen", "address"),
    [
        ("127.0.0.1:8080", "127.0.0.1:8080"),
        ("0.0.0.0:81", "127.0.0.1:81"),
        ("*:81", "127.0.0.1:81"),
        ("81", "127.0.0.1:81"),
        ("[::]:81", "127.0.0.1:81"),
        ("[::1]:81", "[::1]:81"),
        ("box.lan:81", "box.lan:81"),
    ],
)
def test_listening_everywhere_is_reached_on_loopback(listen: str, address: str) -> None:
    assert listen_address(listen) == address


def test_piped_lines_are_a_conversation(edge: ScriptedEdge, run: Run) -> None:
    script, url = edge
    stream(script, "POST /chat/ada", [*TOKENS, DONE])
    result = run("chat", "--url", url, "--user", "ada", input="I am Ada\n\nwho am I?\n")
    assert (result.exit_code, result.stdout) == (ExitCode.DONE, "Hello Ada\nHello Ada\n")
    assert [asked.body["message"] for asked in script.asked] == ["I am Ada", "who am I?"]


def test_a_nameless_conversation_is_remembered_while_it_lasts(
    edge: ScriptedEdge, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    script, url = edge
    monkeypatch.setattr("secrets.token_hex", lambda _size: "1f")
    script.reply("POST /chat/cli-1f", WHOLE)
    script.reply("DELETE /chat/cli-1f", {"deleted": 2})
    assert run("chat", "--url", url, input="hi\n").exit_code == ExitCode.DONE
    assert [(asked.method, asked.path) for asked in script.asked] == [
        ("POST", "/chat/cli-1f"),
        ("DELETE", "/chat/cli-1f"),
    ]


def test_a_conversation_on_a_terminal_goes_on_after_an_error(edge: ScriptedEdge) -> None:
    script, url = edge
    stream(script, "POST /chat/ada", [*TOKENS, DONE])
    screen = typed(["chat", "--url", url, "--user", "ada"], lambda turn: script.refuse(*BUSY) if turn == 1 else None)
    assert screen.count("you> ") == 3
    assert "Hello Ada" in screen
    assert "the queue is full" in screen


BUSY = ("POST /chat/ada", "overloaded", "the queue is full", 429)


def typed(args: list[str], before_turn: Callable[[int], Any]) -> str:
    """Two lines and Ctrl-D typed at a terminal, each when the prompt is there; what the terminal then shows."""
    leader, follower = pty.openpty()
    command = [sys.executable, "-m", "modelsvc", *args]
    process = subprocess.Popen(command, stdin=follower, stdout=follower, stderr=follower)
    os.close(follower)
    screen = ""
    for turn, keys in enumerate((b"hi\n", b"hi\n", b"\x04")):
        while screen.count("you> ") <= turn:
            screen += os.read(leader, 4096).decode()
        before_turn(turn)
        os.write(leader, keys)
    assert process.wait(60) == ExitCode.DONE
    os.close(leader)
    return screen
