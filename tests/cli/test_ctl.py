"""`modelsvc ctl`: what it asks, prints and exits with."""

import json
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace
from tests.cli import samples
from tests.cli.conftest import Run
from tests.cli.scripted import Asked, Script, serving

from supervisor.protocol import Color, DeploymentStatus, ExitCode, History, LastExit, LogLines, Status, encode


def test_status_tells_people_what_serves(daemon: Script, run: Run) -> None:
    daemon.reply("GET /v1/status", samples.STATUS)
    result = run("ctl", "status")
    assert result.exit_code == ExitCode.DONE
    assert result.stdout.splitlines() == [
        "modelsvc 0.1.0, pid 4242, up 2 h 13 min, state in /state",
        "active     blue, release 6, a.gguf",
        "blue       ready    :8000           pid 4300, release 6, 2 in flight, RSS 812 MB, private 120 MB",
        "green      backoff  :8001           3 restarts, last ended 2031-05-04T10:59:00Z by SIGSEGV",
        "edge       running  127.0.0.1:8080  routes to blue, nginx 1.22.1 pid 4250, retire_then_reload",
        "requests   pass",
        "memory     900 MB of 8,000 MB used, 700 MB of it shared",
        "deploying  deployment 4, blue -> green: step 5/13, wait until it is ready (loading 42 %)",
    ]


def test_status_does_not_guess_how_a_worker_ended(daemon: Script, run: Run) -> None:
    """Of one that an earlier supervisor started no exit code can be known, though it was stopped by this one."""
    ended = replace(
        samples.STATUS.workers[Color.GREEN], last_exit=LastExit(at="2031-05-04T10:59:00Z", code=None, signal=None)
    )
    workers = {**samples.STATUS.workers, Color.GREEN: ended}
    daemon.reply("GET /v1/status", replace(samples.STATUS, workers=workers))
    (line,) = [line for line in run("ctl", "status").stdout.splitlines() if line.startswith("green")]
    assert line.endswith("last ended 2031-05-04T10:59:00Z")


def test_status_of_a_service_that_has_nothing_yet(daemon: Script, run: Run) -> None:
    bare = json.loads(encode(samples.STATUS)) | {"active": None, "release": None, "workers": {}, "deployment": None}
    daemon.reply("GET /v1/status", bare)
    lines = run("ctl", "status").stdout.splitlines()
    assert lines[1] == "active     none"
    assert lines[-1] == "deploying  nothing"


def test_status_says_when_the_active_colour_serves_nobody(daemon: Script, run: Run) -> None:
    backoff = replace(samples.STATUS, active=Color.GREEN)
    absent = replace(samples.STATUS, workers={Color.GREEN: samples.STATUS.workers[Color.GREEN]})
    for status, line in (
        (backoff, "active     green (not serving: backoff), release 6, a.gguf"),
        (absent, "active     blue (not serving: absent), release 6, a.gguf"),
    ):
        daemon.reply("GET /v1/status", status)
        assert run("ctl", "status").stdout.splitlines()[1] == line


def test_status_shows_a_ready_worker_that_does_not_answer(daemon: Script, run: Run) -> None:
    silent = replace(samples.STATUS.workers[Color.BLUE], progress="does not answer", in_flight=None)
    workers = {**samples.STATUS.workers, Color.BLUE: silent}
    daemon.reply("GET /v1/status", replace(samples.STATUS, workers=workers))
    lines = run("ctl", "status").stdout.splitlines()
    assert lines[1] == "active     blue (not serving: does not answer), release 6, a.gguf"
    assert "does not answer, pid 4300, release 6" in lines[2]


@pytest.mark.parametrize("args", ["ctl status --json", "ctl --json status", "--json ctl status"])
def test_json_is_accepted_wherever_it_stands(daemon: Script, run: Run, args: str) -> None:
    daemon.reply("GET /v1/status", samples.STATUS)
    assert json.loads(run(*args.split()).stdout) == json.loads(encode(samples.STATUS))


def test_the_socket_can_be_named(run: Run, home: Path) -> None:
    with serving(home / "other.sock") as (other, _):
        other.reply("GET /v1/status", samples.STATUS)
        assert run("ctl", "--socket", str(home / "other.sock"), "status").exit_code == ExitCode.DONE


def test_the_socket_can_come_from_the_configuration(run: Run, home: Path, tmp_path: Path) -> None:
    config = tmp_path / "c.toml"
    config.write_text(f'[control]\nsocket = "{home}/other.sock"\n')
    with serving(home / "other.sock") as (other, _):
        other.reply("GET /v1/status", samples.STATUS)
        assert run("ctl", "--config", str(config), "status").exit_code == ExitCode.DONE


def test_an_absent_daemon_is_one_line_and_exit_3(run: Run, socket_path: Path) -> None:
    result = run("ctl", "status")
    assert result.exit_code == ExitCode.UNREACHABLE
    assert result.stdout == ""
    assert result.stderr.startswith(f"modelsvc: no daemon answers on {socket_path}")
    assert result.stderr.count("\n") == 1


def test_an_absent_daemon_is_an_error_object_with_json(run: Run) -> None:
    result = run("ctl", "status", "--json")
    assert result.exit_code == ExitCode.UNREACHABLE
    error = json.loads(result.stdout)["error"]
    assert (error["type"], error["code"]) == ("unavailable", "unreachable")


def test_misuse_is_an_error_object_with_json(run: Run) -> None:
    result = run("ctl", "--json", "start", "purple")
    assert result.exit_code == ExitCode.MISUSE
    assert json.loads(result.stdout)["error"]["type"] == "invalid_request"


def test_a_missing_configuration_is_misuse(run: Run) -> None:
    result = run("ctl", "--config", "nowhere.toml", "status")
    assert result.exit_code == ExitCode.MISUSE
    assert "nowhere.toml" in result.stderr


def test_a_socket_path_too_long_is_misuse(run: Run) -> None:
    result = run("ctl", "--socket", "/" + "a" * 120, "status")
    assert result.exit_code == ExitCode.MISUSE
    assert "121 bytes" in result.stderr


def test_history_lists_the_latest(daemon: Script, run: Run) -> None:
    daemon.reply("GET /v1/history?limit=2", History(deployments=[samples.CURRENT, samples.PAST]))
    lines = run("ctl", "history", "--limit", "2").stdout.splitlines()
    assert [line.split() for line in lines] == [
        ["id", "kind", "colours", "release", "outcome", "failed", "took", "started"],
        ["4", "deploy", "blue", "->", "green", "7", "running", "-", "-", "2031-05-04T11:00:00Z"],
        ["3", "rollback", "green", "->", "blue", "5", "succeeded", "-", "4.0", "s", "2031-05-04T10:00:00Z"],
    ]


def test_history_of_nothing(daemon: Script, run: Run) -> None:
    daemon.reply("GET /v1/history?limit=20", History(deployments=[]))
    assert run("ctl", "history").stdout == "no deployment yet\n"


def test_history_shows_one_with_its_steps(daemon: Script, run: Run) -> None:
    daemon.reply("GET /v1/deployments/3", samples.PAST)
    text = run("ctl", "history", "3").stdout
    assert "deployment 3: rollback green -> blue" in text
    assert " 2/13  done     the edge routes to it" in text
    assert "nginx answers" in text


def test_history_in_json(daemon: Script, run: Run) -> None:
    daemon.reply("GET /v1/history?limit=20", History(deployments=[samples.PAST]))
    daemon.reply("GET /v1/deployments/3", samples.PAST)
    assert json.loads(run("ctl", "history", "--json").stdout)["deployments"][0]["deployment"] == 3
    assert json.loads(run("ctl", "history", "3", "--json").stdout)["outcome"] == "succeeded"


def test_an_unknown_deployment_is_misuse(daemon: Script, run: Run) -> None:
    daemon.refuse("GET /v1/deployments/99", "not_found", "there is no deployment 99", 404)
    result = run("ctl", "history", "99")
    assert (result.exit_code, result.stderr) == (ExitCode.MISUSE, "modelsvc: there is no deployment 99\n")


def test_logs(daemon: Script, run: Run) -> None:
    daemon.reply("GET /v1/logs?source=green&lines=2", LogLines(source="green", lines=["one", "two"]))
    assert run("ctl", "logs", "green", "-n", "2").stdout == "one\ntwo\n"
    assert json.loads(run("ctl", "logs", "green", "-n", "2", "--json").stdout)["lines"] == ["one", "two"]


def test_logs_are_the_supervisors_unless_said(daemon: Script, run: Run) -> None:
    daemon.reply("GET /v1/logs?source=supervisor&lines=100", LogLines(source="supervisor", lines=[]))
    assert run("ctl", "logs").exit_code == ExitCode.DONE


@pytest.mark.parametrize(
    ("args", "asked"),
    [
        (("start", "green"), Asked("POST", "/v1/workers/green/start", {})),
        (("stop", "green"), Asked("POST", "/v1/workers/green/stop", {"force": False})),
        (("stop", "blue", "--force"), Asked("POST", "/v1/workers/blue/stop", {"force": True})),
        (("swap",), Asked("POST", "/v1/swap", {})),
        (("rollback",), Asked("POST", "/v1/rollback", {})),
        (("rollback", "--in-place"), Asked("POST", "/v1/rollback?in_place=true", {})),
        (("pause",), Asked("POST", "/v1/pause", {})),
        (("resume",), Asked("POST", "/v1/resume", {})),
        (("shutdown",), Asked("POST", "/v1/shutdown", {})),
        (("handover",), Asked("POST", "/v1/handover", {})),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_operations_ask_and_say_how_it_ended(daemon: Script, run: Run, args: tuple[str, ...], asked: Asked) -> None:
    daemon.stream(f"POST {asked.path}", [samples.STARTED])
    result = run("ctl", *args)
    assert result.exit_code == ExitCode.DONE
    assert daemon.asked == [asked]
    name = " ".join(arg for arg in args if not arg.startswith("-"))
    assert result.stdout == f"{name}: done, 1.2 s\n"


def test_stopping_the_active_worker_is_refused_by_the_daemon(daemon: Script, run: Run) -> None:
    daemon.refuse("POST /v1/workers/blue/stop", "refused", "blue serves: add --force", 409)
    result = run("ctl", "stop", "blue")
    assert (result.exit_code, result.stderr) == (ExitCode.REFUSED, "modelsvc: blue serves: add --force\n")


def test_samples_are_messages_of_the_protocol() -> None:
    """The scripted answers must stay what the real daemon may send."""
    assert msgspec.json.decode(encode(samples.STATUS), type=Status) == samples.STATUS
    assert msgspec.json.decode(encode(samples.PAST), type=DeploymentStatus) == samples.PAST
