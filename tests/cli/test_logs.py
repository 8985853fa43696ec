"""`modelsvc ctl logs`: of one source, of all by time, and followed; `ctl explain --logs`."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from tests.cli import samples
from tests.cli.conftest import Run
from tests.cli.scripted import Script

from modelsvc.cli.base import INTERRUPTED
from modelsvc.cli.ctl.log_lines import merged, of_deployment, shown
from supervisor.protocol import Explanation, History, LogLines

OURS = '{{"event": "{}", "timestamp": "2031-05-04T11:00:{:02}.5Z"}}'
SOURCES = ("supervisor", "blue", "green", "edge", "prometheus")


@pytest.fixture
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """nginx writes local times."""
    import time

    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("utc")
def test_logs_of_every_kind_are_put_in_order() -> None:
    """By the times they write, each in its own way; a line without one stays behind the one before it."""
    lines = merged(
        {
            "supervisor": [OURS.format("first", 1), OURS.format("last", 9)],
            "blue": ["llama: before any time", OURS.format("third", 3), "llama: loading", "llama: loaded"],
            "edge": ["2031/05/04 11:00:05 [warn] 7#7: fifth"],
            "prometheus": ['time=2031-05-04T11:00:07.000Z level=WARN msg="seventh"'],
        }
    )
    assert [line.source for line in lines] == ["supervisor", *["blue"] * 4, "edge", "prometheus", "supervisor"]
    assert [line.text for line in lines if line.source == "blue"][2:] == ["llama: loading", "llama: loaded"]
    assert shown(lines)[5] == "edge       | 2031/05/04 11:00:05 [warn] 7#7: fifth"


def test_a_clock_that_was_set_back_tears_no_log_apart() -> None:
    """Lines of one log stay in their order."""
    texts = [OURS.format("one", 5), OURS.format("two", 3), OURS.format("three", 6)]
    assert [line.text for line in merged({"blue": texts})] == texts


def test_a_deployments_lines_are_those_of_its_time_but_for_requests() -> None:
    """From its begin to its end, what is logged in the moment after included; one that runs has no end."""
    lines = merged({"supervisor": [OURS.format(name, at) for name, at in (("a", 1), ("b", 3), ("chat", 4), ("c", 9))]})
    ended = of_deployment(lines, "2031-05-04T11:00:02Z", "2031-05-04T11:00:03.490Z")

    assert [json.loads(line.text)["event"] for line in ended] == ["b"]
    assert [json.loads(line.text)["event"] for line in of_deployment(lines, "2031-05-04T11:00:02Z", None)] == ["b", "c"]


def reply(daemon: Script, lines: int = 100, **texts: list[str]) -> None:
    for source in SOURCES:
        told = LogLines(source=source, lines=texts.get(source, []), place=f"1-{SOURCES.index(source)}")
        daemon.reply(f"GET /v1/logs?source={source}&lines={lines}", told)


def test_all_logs_are_one_list_with_their_names(daemon: Script, run: Run) -> None:
    """At most as many lines as asked for, the latest of all."""
    reply(daemon, 2, supervisor=[OURS.format("b", 2), OURS.format("d", 4)], green=[OURS.format("c", 3)])
    assert [line.split(" | ")[0].strip() for line in run("ctl", "logs", "all", "-n", "2").stdout.splitlines()] == [
        "green",
        "supervisor",
    ]
    told = [json.loads(line) for line in run("ctl", "logs", "all", "-n", "2", "--json").stdout.splitlines()]
    assert [each["source"] for each in told] == list(SOURCES)


@contextmanager
def following(*arguments: str) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-m", "modelsvc", "ctl", "logs", *arguments, "--follow"]
    streams: Any = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "env": dict(os.environ)}
    with subprocess.Popen(command, **streams) as process:
        try:
            yield process
        finally:
            process.kill()


def test_following_goes_on_from_place_to_place_until_ctrl_c(daemon: Script) -> None:
    """Ctrl-C is its end, without a traceback."""
    daemon.reply("GET /v1/logs?source=blue&lines=100", LogLines(source="blue", lines=["1"], place="5-2"))
    daemon.reply("GET /v1/logs?source=blue&after=5-2", LogLines(source="blue", lines=["2", "3"], place="5-6"))
    daemon.reply("GET /v1/logs?source=blue&after=5-6", LogLines(source="blue", lines=[], place="5-6"))
    with following("blue") as process:
        assert process.stdout is not None
        assert [process.stdout.readline() for _ in range(3)] == ["1\n", "2\n", "3\n"]
        process.send_signal(signal.SIGINT)
        rest, said = process.communicate(timeout=30)
    assert (process.returncode, rest, said.strip()) == (INTERRUPTED, "", "")


def test_explain_without_a_number_tells_the_latest(daemon: Script, run: Run) -> None:
    """With --logs also what was logged in its time."""
    told = Explanation(deployment=samples.PAST, release=None, previous=None)
    daemon.reply("GET /v1/history?limit=1", History(deployments=[samples.PAST]))
    daemon.reply("GET /v1/deployments/3/explanation", told)
    during = '{"event": "during", "timestamp": "2031-05-04T10:00:01Z"}'
    reply(daemon, 10_000, supervisor=[during, OURS.format("later", 1)])

    assert run("ctl", "explain").stdout == run("ctl", "explain", "3").stdout
    with_logs = run("ctl", "explain", "--logs").stdout.splitlines()
    assert with_logs[-2:] == ["logs:", f"supervisor | {during}"]
    as_json = [json.loads(line) for line in run("ctl", "explain", "--logs", "--json").stdout.splitlines()]
    assert as_json[0]["deployment"]["deployment"] == 3 and as_json[1]["line"] == during


def test_explain_of_nothing_says_what_to_do(daemon: Script, run: Run) -> None:
    """No deployment yet."""
    daemon.reply("GET /v1/history?limit=1", History(deployments=[]))
    result = run("ctl", "explain")
    assert result.exit_code == 2 and "modelsvc ctl deploy" in result.stderr
