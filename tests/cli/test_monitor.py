"""`modelsvc monitor`: what it asks, prints and exits with."""

import json
import re
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.cli import samples
from tests.cli.conftest import Run
from tests.cli.scripted import Asked, Script, serving

from modelsvc.cli.monitor import grafana
from supervisor.protocol import (
    AlertReport,
    ExitCode,
    GrafanaFiles,
    MonitorCheck,
    MonitorStatus,
    TargetReport,
    Targets,
    encode,
)

MB = 10**6
OFF = MonitorStatus(
    state="off", wanted=False, url="http://127.0.0.1:9090", folder="/state/monitor", retention="24h", data_bytes=12 * MB
)
RUNNING = replace(
    OFF,
    state="running",
    wanted=True,
    pid=77,
    since="2031-05-04T10:00:00Z",
    rss_bytes=80 * MB,
    private_bytes=40 * MB,
    alerts=[],
)
ALERT = AlertReport(
    name="ModelsvcEdgeDown",
    state="firing",
    severity="critical",
    summary="nginx does not run",
    since="2031-05-04T11:00:00Z",
)
BLUE = TargetReport(
    job="modelsvc-worker",
    color="blue",
    url="http://127.0.0.1:8000/metrics",
    health="up",
    expected=True,
    last_scrape="2031-05-04T11:00:00Z",
)
STANDBY = replace(
    BLUE, color="green", url="http://127.0.0.1:8001/metrics", health="down", expected=False, error="refused"
)
SUPERVISOR = replace(BLUE, job="modelsvc-supervisor", color=None, url="http://127.0.0.1:9180/metrics")
FILES = GrafanaFiles(provisioning="/p/my provisioning", dashboards="/p/dash", prometheus_url="http://127.0.0.1:9090")


@pytest.mark.parametrize(
    ("command", "request_line"), [("up", "POST /v1/monitor/up"), ("status", "GET /v1/monitor")], ids=["up", "status"]
)
def test_what_runs_is_told_to_people(daemon: Script, run: Run, command: str, request_line: str) -> None:
    daemon.reply(request_line, RUNNING)
    result = run("monitor", command)
    assert result.exit_code == ExitCode.DONE
    assert result.stdout.splitlines() == [
        "prometheus  running, pid 77, since 2031-05-04T10:00:00Z, RSS 80 MB, private 40 MB",
        "url         http://127.0.0.1:9090",
        "data        12 MB in /state/monitor, kept for 24h",
        "alerts      none",
    ]


def test_an_alert_is_told_with_its_summary(daemon: Script, run: Run) -> None:
    daemon.reply("GET /v1/monitor", replace(RUNNING, alerts=[ALERT, replace(ALERT, state="pending")]))
    *_, count, firing, pending = run("monitor", "status").stdout.splitlines()
    assert count == "alerts      1 firing, 1 pending"
    assert firing == "  firing   critical  ModelsvcEdgeDown  since 2031-05-04T11:00:00Z  nginx does not run"
    assert pending.startswith("  pending")


def test_alerts_that_nobody_knows_are_not_none(daemon: Script, run: Run) -> None:
    """A Prometheus that hangs would look like a quiet one."""
    daemon.reply("GET /v1/monitor", replace(RUNNING, alerts=None))
    *_, alerts = run("monitor", "status").stdout.splitlines()
    assert alerts == "alerts      not known: it does not answer; see `modelsvc ctl logs prometheus`"


def test_one_that_gave_way_says_why(daemon: Script, run: Run) -> None:
    """In a line; the account under it is for `monitor up`."""
    waiting = replace(OFF, state="waiting", wanted=True, crashes=2, reason="no room\n  row  1 MB")
    daemon.reply("GET /v1/monitor", waiting)
    assert run("monitor", "status").stdout.splitlines()[:2] == [
        "prometheus  waiting, 2 crash(es) in a row",
        "reason      no room",
    ]


def test_down_is_asked_for(daemon: Script, run: Run) -> None:
    daemon.reply("POST /v1/monitor/down", OFF)
    result = run("monitor", "down")
    assert (result.exit_code, result.stdout.splitlines()[0]) == (ExitCode.DONE, "prometheus  off")
    assert daemon.asked == [Asked("POST", "/v1/monitor/down", {})]


def test_a_refusal_is_told_with_its_exit_code(daemon: Script, run: Run) -> None:
    daemon.refuse("POST /v1/monitor/up", "refused", "monitor.listen: 127.0.0.1:9090 is taken", 409)
    result = run("monitor", "up")
    assert (result.exit_code, result.stderr) == (
        ExitCode.REFUSED,
        "modelsvc: monitor.listen: 127.0.0.1:9090 is taken\n",
    )


def test_targets_tell_a_standby_that_nobody_wants_from_a_failure(daemon: Script, run: Run) -> None:
    daemon.reply("GET /v1/monitor/targets", Targets(targets=[SUPERVISOR, BLUE, STANDBY]))
    result = run("monitor", "targets")
    assert result.exit_code == ExitCode.DONE
    assert result.stdout.splitlines()[2:] == [
        "modelsvc-worker      blue    up                http://127.0.0.1:8000/metrics  2031-05-04T11:00:00Z",
        "modelsvc-worker      green   down, not wanted  http://127.0.0.1:8001/metrics  2031-05-04T11:00:00Z",
    ]

    daemon.reply("GET /v1/monitor/targets", Targets(targets=[replace(STANDBY, expected=True)]))
    missed = run("monitor", "targets")
    assert missed.exit_code == ExitCode.FAILED
    assert missed.stdout.splitlines()[1].endswith("2031-05-04T11:00:00Z  refused")


def test_targets_that_were_not_asked_yet_are_no_failure(daemon: Script, run: Run) -> None:
    young = replace(BLUE, health="unknown", last_scrape=None)
    daemon.reply("GET /v1/monitor/targets", Targets(targets=[young]))
    result = run("monitor", "targets")
    assert (result.exit_code, result.stdout.split()[-1]) == (ExitCode.DONE, "never")
    daemon.reply("GET /v1/monitor/targets", Targets(targets=[]))
    assert "no targets yet" in run("monitor", "targets").stdout


@pytest.mark.parametrize(("passed", "code"), [(True, ExitCode.DONE), (False, ExitCode.FAILED)])
def test_a_check_exits_as_promtool_does(daemon: Script, run: Run, passed: bool, code: ExitCode) -> None:
    daemon.reply("POST /v1/monitor/check", MonitorCheck(passed=passed, command=["promtool", "x"], output="it said so"))
    result = run("monitor", "check")
    assert (result.exit_code, result.stdout) == (code, "promtool x\nit said so\n")


@pytest.mark.parametrize(
    ("command", "request_line", "answer"),
    [
        ("up", "POST /v1/monitor/up", RUNNING),
        ("down", "POST /v1/monitor/down", OFF),
        ("status", "GET /v1/monitor", RUNNING),
        ("targets", "GET /v1/monitor/targets", Targets(targets=[BLUE])),
        ("check", "POST /v1/monitor/check", MonitorCheck(passed=True, command=[], output="")),
    ],
)
def test_programs_get_the_answer_as_it_is(
    daemon: Script, run: Run, command: str, request_line: str, answer: object
) -> None:
    daemon.reply(request_line, answer)
    assert run("monitor", command, "--json").stdout.encode() == encode(answer) + b"\n"


def test_the_status_of_the_whole_names_it_when_it_is_wanted(daemon: Script, run: Run) -> None:
    daemon.reply("GET /v1/status", replace(samples.STATUS, monitor=RUNNING))
    assert "monitor    Prometheus running, http://127.0.0.1:9090" in run("ctl", "status").stdout.splitlines()
    failed = replace(OFF, state="failed", wanted=True, reason="it ended\nand so on")
    daemon.reply("GET /v1/status", replace(samples.STATUS, monitor=failed))
    assert "monitor    Prometheus failed (it ended), http://127.0.0.1:9090" in run("ctl", "status").stdout


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Where programs are found; there is no Grafana yet."""
    monkeypatch.setattr(grafana, "USUAL_FOLDERS", ())
    monkeypatch.setattr(grafana, "HOMES", (str(tmp_path / "home"),))
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def install(folder: Path, name: str) -> Path:
    (folder / name).write_text("#!/bin/sh\n")
    (folder / name).chmod(0o755)
    return folder / name


def test_without_grafana_it_says_where_to_get_it(daemon: Script, run: Run, machine: Path) -> None:
    """With the command that starts it then."""
    daemon.reply("GET /v1/monitor/grafana", FILES)
    result = run("monitor", "grafana", "--url", "http://127.0.0.1:1")
    first, command, last = result.stdout.splitlines()

    assert result.exit_code == ExitCode.DONE
    assert first.startswith("There is no Grafana here")
    assert "GF_PATHS_PROVISIONING='/p/my provisioning' MODELSVC_DASHBOARDS=/p/dash" in command
    assert "MODELSVC_PROMETHEUS_URL=http://127.0.0.1:9090" in command
    assert "GF_SERVER_HTTP_PORT=1 " in command
    data, *others = re.findall(r"GF_PATHS_(?:DATA|LOGS|PLUGINS)=(\S+)", command)
    assert [path.removeprefix(data) for path in others] == ["/logs", "/plugins"], "its own are the packaged user's"
    assert last == "and open http://127.0.0.1:1/d/modelsvc"


@pytest.mark.parametrize(("name", "starts"), [("grafana", "grafana server"), ("grafana-server", "grafana-server")])
def test_a_grafana_that_is_there_is_named(daemon: Script, run: Run, machine: Path, name: str, starts: str) -> None:
    """Newer ones have one program for everything; Debian's package needs to be told its home."""
    daemon.reply("GET /v1/monitor/grafana", FILES)
    install(machine, name)
    (machine / "home").mkdir()
    first, command, _ = run("monitor", "grafana", "--url", "http://127.0.0.1:1").stdout.splitlines()

    assert first == "Grafana does not answer. Start it:"
    assert command.endswith(f" {machine}/{starts} --homepath {machine}/home")


def test_a_grafana_that_answers_is_to_be_opened(daemon: Script, run: Run, machine: Path) -> None:
    """By what it says itself: another server on that port is none."""
    daemon.reply("GET /v1/monitor/grafana", FILES)
    with serving() as (script, address):
        script.reply("GET /api/health", {"database": "ok", "version": "11.2.0"})
        told = run("monitor", "grafana", "--url", f"http://{address}")
        as_json = json.loads(run("monitor", "grafana", "--url", f"http://{address}", "--json").stdout)
        script.reply("GET /api/health", {"status": "another server"})
        other = run("monitor", "grafana", "--url", f"http://{address}")

    assert told.stdout.splitlines()[0] == f"Grafana 11.2.0 answers: open http://{address}/d/modelsvc"
    assert (as_json["answers"], as_json["version"], as_json["program"]) == (True, "11.2.0", None)
    assert as_json["environment"]["GF_PATHS_PROVISIONING"] == "/p/my provisioning"
    assert "answers: open" not in other.stdout


@pytest.mark.parametrize("url", ["grafana:3000", "http://", "ftp://x", "http://x:y"])
def test_a_url_that_is_none_is_misuse(daemon: Script, run: Run, machine: Path, url: str) -> None:
    daemon.reply("GET /v1/monitor/grafana", FILES)
    result = run("monitor", "grafana", "--url", url)
    assert result.exit_code == ExitCode.MISUSE
    assert url in result.stderr
