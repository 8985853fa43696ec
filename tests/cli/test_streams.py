"""Where stdout or stderr cannot be written: one line, the right code, no traceback; nothing to a reader who left."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.scripted import Answer, Script
from tests.cli.test_chat import TOKENS

from supervisor.protocol import ExitCode, LogLines

pytestmark = pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")

FULL = "modelsvc: stdout cannot be written: No space left on device; free its disk"
COMMANDS = [
    ("--help",),
    ("--version",),
    ("ctl", "logs", "--help"),
    ("completion", "bash"),
    ("model", "list"),
    ("model", "list", "--json"),
    ("model", "pull", "demo.gguf", "--json"),
    ("health", "--help"),
]


def run(*arguments: str, redirection: str, module: str = "modelsvc", **environment: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a command that a shell starts."""
    shell = ["sh", "-c", f'"$@" {redirection}', "sh", sys.executable, "-m", module, *arguments]
    ran = subprocess.run(shell, capture_output=True, text=True, timeout=60, env={**os.environ, **environment})
    return ran.returncode, ran.stdout, ran.stderr


def is_one_line(err: str, begin: str) -> bool:
    return err.startswith(begin) and err.count("\n") == 1


@pytest.fixture
def demo(tmp_path: Path) -> None:
    from modelsvc.models import demo_model_path

    (tmp_path / "demo.gguf").symlink_to(demo_model_path())


@pytest.mark.usefixtures("demo")
@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("unbuffered", ["", "1"], ids=["buffered", "unbuffered"])
def test_a_full_disk_is_told(arguments: tuple[str, ...], unbuffered: str) -> None:
    """Also by what is not our own to print, and by a pull, which has another disk to tell of."""
    code, _, err = run(*arguments, redirection=">/dev/full", PYTHONUNBUFFERED=unbuffered)
    assert code == ExitCode.FAILED and is_one_line(err, FULL), err


def test_an_answer_that_is_streamed_onto_a_full_disk(edge: tuple[Script, str]) -> None:
    """It is not waited for to its end."""
    script, url = edge
    script.answers["POST /chat"] = Answer(TOKENS, content_type="text/event-stream", hold=True)
    code, _, err = run("chat", "--url", url, "hi", redirection=">/dev/full")
    assert code == ExitCode.FAILED and is_one_line(err, FULL), err


def test_a_followed_log_on_a_full_disk(daemon: Script) -> None:
    """Its first lines may be none: the later ones end it as well."""
    daemon.reply("GET /v1/logs?source=blue&lines=100", LogLines(source="blue", lines=[], place="5-0"))
    daemon.reply("GET /v1/logs?source=blue&after=5-0", LogLines(source="blue", lines=["2"], place="5-2"))
    code, _, err = run("ctl", "logs", "blue", "--follow", redirection=">/dev/full")
    assert code == ExitCode.FAILED and is_one_line(err, FULL), err


def test_an_error_keeps_its_code_on_a_full_disk() -> None:
    """It weighs more than that its JSON cannot be told; both are said."""
    code, _, err = run("ctl", "status", "--json", redirection=">/dev/full")
    first, second = err.splitlines()
    assert code == ExitCode.UNREACHABLE and "no daemon answers" in first and second.startswith(FULL)


@pytest.mark.parametrize("redirection", ["2>/dev/full", "2>&-"])
@pytest.mark.parametrize(
    ("arguments", "expected"),
    [(("ctl", "status"), ExitCode.UNREACHABLE), (("nonsense",), ExitCode.MISUSE), ((), ExitCode.MISUSE)],
)
def test_errors_that_cannot_be_told_keep_their_code(
    arguments: tuple[str, ...], expected: ExitCode, redirection: str
) -> None:
    assert run(*arguments, redirection=redirection)[0] == expected


@pytest.mark.parametrize("arguments", [("completion", "bash"), ("--help",), ("model", "list", "--json")], ids=" ".join)
def test_a_reader_who_left_is_told_nothing(arguments: tuple[str, ...]) -> None:
    """Whether all of it was written is the command's code."""
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "modelsvc", *arguments]
    ran = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, timeout=60)
    os.close(writing)
    assert (ran.returncode, ran.stderr) == (ExitCode.FAILED, b"")


def test_what_is_printed_is_all_there_otherwise() -> None:
    """In the encoding that the user's terminal has, and to the last byte."""
    code, out, err = run("model", "list", "--json", redirection="")
    assert (code, json.loads(out)["models"], err) == (ExitCode.DONE, [], "")
    assert run("--help", redirection="| cat", PYTHONIOENCODING="latin-1")[1].count("modelsvc up") == 1


@pytest.mark.parametrize(
    ("options", "shown"), [((), b"caf\xe9 \\u65e5\n"), (("--json",), b'{"response":"caf\\u00e9 \\u65e5"}\n')]
)
def test_characters_that_the_terminal_does_not_have(
    edge: tuple[Script, str], options: tuple[str, ...], shown: bytes
) -> None:
    """A model's answer may have any: they are written as escapes, in JSON as its own."""
    script, url = edge
    script.reply("POST /chat", {"response": "café 日"})
    command = [sys.executable, "-m", "modelsvc", "chat", "--no-stream", "--url", url, "hi", *options]
    environment = {**os.environ, "PYTHONIOENCODING": "latin-1"}
    ran = subprocess.run(command, capture_output=True, timeout=60, env=environment)
    assert (ran.returncode, ran.stdout, ran.stderr) == (ExitCode.DONE, shown, b"")


def test_an_error_of_a_supervisor_on_such_a_terminal() -> None:
    """`modelsvc up --json` tells it in both ways."""
    command = [sys.executable, "-m", "supervisor", "--json", "--config", "日.toml"]
    ran = subprocess.run(command, capture_output=True, timeout=60, env={**os.environ, "PYTHONIOENCODING": "latin-1"})
    assert ran.returncode == ExitCode.MISUSE and b"Traceback" not in ran.stderr
    assert "日.toml" in json.loads(ran.stdout)["error"]["message"]


@pytest.mark.parametrize(("redirection", "lines"), [(">/dev/full", 2), (">&-", 1), ("2>&-", 0), ("2>/dev/full", 0)])
def test_a_supervisor_that_cannot_say_why_it_does_not_start(redirection: str, lines: int) -> None:
    """`modelsvc up` becomes it."""
    arguments = ("--json", "--config", "nowhere.toml")
    code, _, err = run(*arguments, redirection=redirection, module="supervisor")
    assert code == ExitCode.MISUSE and len(err.splitlines()) == lines and "Traceback" not in err, err
