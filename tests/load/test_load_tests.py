"""Load tests from end to end: Locust, a real service and its deployment, the report; and that a failure is noticed."""

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from disposable.ports import is_free, reserved_ports
from disposable.processes import processes_of
from disposable.waiting import until
from tests.load.spoiling_server import KEY
from tests.support.service_fixture import ROOT, Ran, Service, running_service

from modelsvc.cli.base import INTERRUPTED
from modelsvc.cli.edge import KEY_ENV
from supervisor.protocol import ExitCode

CLASSES = {"HealthWatcher", "ShortChat", "LongChat", "Streaming"}
LAST_S = 60
BROKEN = {
    "run.json": "{",
    "requests.csv": "at,began_s\n1,2\n",
    "memory.csv": "at_s,process,state,private_bytes,rss_bytes\n1.0,blue\n",
}


def load_test(*arguments: str | Path, env: dict[str, str] | None = None) -> Ran:
    command = [sys.executable, "-m", *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=100)
    return Ran(done.returncode, done.stdout, done.stderr)


def result(results: Path, kind: str) -> Path:
    (folder,) = results.glob(f"*-{kind}")
    return folder


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "requests.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def summary(folder: Path) -> dict[str, Any]:
    told: dict[str, Any] = json.loads((folder / "summary.json").read_text())
    return told


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Ran, Path]:
    """A short load test with a deployment in the middle, on the demo model."""
    results = tmp_path_factory.mktemp("results")
    ran = load_test("loadtest.run", "deploy", "--duration", "4", "--bake-s", "0.5", "--results", results)
    assert ran.code == 0, ran.err + ran.out
    return ran, result(results, "deploy")


def test_a_deployment_under_load_loses_nothing(deployed: tuple[Ran, Path]) -> None:
    """Users of every class ask, both colours answer, no request fails, and no process is left."""
    _, folder = deployed
    found = rows(folder)
    assert [row["failure"] for row in found if row["failure"]] == []
    assert {row["user_class"] for row in found} == CLASSES
    assert {(row["color"], row["release"]) for row in found} == {("blue", "1"), ("green", "2")}
    assert all(row["status"] == "200" and float(row["latency_s"]) > 0 for row in found)
    streams = [row for row in found if row["user_class"] == "Streaming"]
    assert streams and all(0 < float(row["first_token_s"]) <= float(row["latency_s"]) for row in streams)
    assert not processes_of(folder)


def test_the_report_tells_what_was_recorded(deployed: tuple[Ran, Path]) -> None:
    """Its figures are those of requests.csv, counted here in another way; the 13 steps have their seconds."""
    ran, folder = deployed
    found, told = rows(folder), summary(folder)
    (operation,) = json.loads((folder / "run.json").read_text())["operations"]
    assert (told["requests"], told["failed"], told["verdict"]) == (len(found), 0, [])
    assert told["by_class"] == Counter(row["user_class"] for row in found)
    assert told["by_color"] == Counter(row["color"] for row in found)
    # Counted a third time by others: nginx, in its log.
    chats = [row for row in found if row["user_class"] != "HealthWatcher"]
    assert json.loads((folder / "run.json").read_text())["edge"] == Counter(row["color"] for row in chats)
    during = [
        float(row["latency_s"])
        for row in found
        if float(row["began_s"]) < operation["ended_s"]
        and float(row["began_s"]) + float(row["latency_s"]) > operation["began_s"]
    ]
    phase = told["phases"][1]
    assert (phase["name"], phase["figures"]["requests"]) == ("during deploy", len(during))
    assert phase["figures"]["slowest_s"] == max(during)
    assert [step["number"] for step in operation["steps"]] == [*range(1, 14)]
    assert all(step["state"] == "done" and step["seconds"] is not None for step in operation["steps"])
    assert f"0 of {len(found):,} requests failed; deploy succeeded" in ran.out
    text = (folder / "report.md").read_text()
    assert "|  | step | state | s | began at s |\n| ---: | --- | --- | ---: | ---: |" in text, "words to the left"
    assert all(
        f"| {step['number']} | {step['name']} | done | {step['seconds']:.3f}" in text for step in operation["steps"]
    )


def test_the_page_needs_nothing_but_itself(deployed: tuple[Ran, Path]) -> None:
    """It works offline: pictures are in it, for light and for dark, and nothing is fetched."""
    _, folder = deployed
    page = (folder / "report.html").read_text()
    sources = re.findall(r'(?:src|srcset|href)="([^"]{0,30})', page)
    assert len(sources) == 12 and all(source.startswith("data:image/png;base64,") for source in sources)
    assert "<script" not in page and "url(" not in page and "http://" not in page
    pictures = sorted(path.name for path in (folder / "plots").iterdir())
    assert len(pictures) == 12 and "latency.png" in pictures and "latency-dark.png" in pictures
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in (folder / "plots").iterdir())


def test_the_memory_of_both_workers_is_sampled(deployed: tuple[Ran, Path]) -> None:
    """The standby has none, then some; the supervisor's is told, too."""
    _, folder = deployed
    with (folder / "memory.csv").open(newline="") as file:
        samples = list(csv.DictReader(file))
    green = [int(row["private_bytes"]) for row in samples if row["process"] == "green"]
    assert green[0] == 0 and green[-1] > 1e6
    assert {row["process"] for row in samples} == {"blue", "green", "supervisor"}
    assert set(summary(folder)["memory"]) == {"blue", "green", "supervisor"}


def test_reports_are_made_anew_and_listed(deployed: tuple[Ran, Path]) -> None:
    """Of the latest run when none is named; a run that was cut short is listed as such."""
    _, folder = deployed
    before = (folder / "report.md").read_text()
    (folder / "report.md").unlink()
    assert load_test("loadtest.report", "--results", folder.parent).code == 0
    assert (folder / "report.md").read_text() == before
    (folder.parent / "20200101T000000Z-deploy").mkdir()
    listed = load_test("loadtest.results", "--results", folder.parent).out
    assert listed.index("20200101T000000Z-deploy") < listed.index(folder.name)
    assert "not finished" in listed and "nothing failed" in listed
    assert load_test("loadtest.report", "yesterday", "--results", folder.parent).code == 2


def test_a_broken_result_is_told_and_hides_no_other(deployed: tuple[Ran, Path], tmp_path: Path) -> None:
    """Whatever of it is broken."""
    _, folder = deployed
    for name, damage in BROKEN.items():
        broken = tmp_path / f"2020-{name}"
        shutil.copytree(folder, broken)
        (broken / name).write_text(damage)
        ran = load_test("loadtest.report", broken.name, "--results", tmp_path)
        assert ran.code == 2 and name in ran.err and "Traceback" not in ran.err, name
    (tmp_path / "2020-strange/summary.json").mkdir(parents=True)
    shutil.copytree(folder, tmp_path / "2021-whole")
    listed = load_test("loadtest.results", "--results", tmp_path)
    assert listed.code == 0 and "cannot be read" in listed.out
    assert "nothing failed" in next(line for line in listed.out.splitlines() if "2021-whole" in line)


@contextmanager
def spoiling_server(folder: Path) -> Iterator[tuple[str, Path]]:
    log = folder / "spoiled"
    with reserved_ports(1) as (port,):
        program = Path(__file__).with_name("spoiling_server.py")
        with subprocess.Popen([sys.executable, program, str(port), log], stderr=subprocess.DEVNULL) as process:
            try:
                until(lambda: not is_free(port), "the server listens")
                yield f"http://127.0.0.1:{port}", log
            finally:
                process.kill()


def test_every_failure_is_noticed(tmp_path: Path) -> None:
    """The control case: as many requests fail as the server spoiled, with their reasons, and the exit code says so."""
    with spoiling_server(tmp_path) as (url, log):
        nobody = {**os.environ, "MODELSVC_HOME": str(tmp_path), "MODELSVC_CONFIG": "", KEY_ENV: KEY}
        ran = load_test("loadtest.run", "traffic", "--duration", "3", "--url", url, "--results", tmp_path, env=nobody)
    spoiled = Counter(log.read_text().split())
    failures = [row["failure"] for row in rows(result(tmp_path, "traffic")) if row["failure"]]
    noticed = Counter(
        "500" if "HTTP 500" in text else "no_color" if "name no worker" in text else "broken" for text in failures
    )
    assert ran.code == 1 and f"{len(failures)} of" in ran.out
    assert min(spoiled.values()) > 0 and len(spoiled) == 4
    broken = spoiled["cut"] + spoiled["hang_up"]
    assert noticed == {"500": spoiled["500"], "no_color": spoiled["no_color"], "broken": broken}
    assert summary(result(tmp_path, "traffic"))["failed"] == len(failures)


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with running_service() as service:
        yield service


def test_a_running_service_is_watched_over_a_deployment(service: Service, tmp_path: Path) -> None:
    """Traffic until it is interrupted, and a monitored deployment meanwhile: both tell of it, and nothing fails."""
    env = service.env | {"RESULTS": str(tmp_path)}
    command = [sys.executable, "-m", "loadtest.run", "traffic", "--running", "--users", "4", "--results", str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True) as traffic:
        until(lambda: len(asked(tmp_path)) > 20, "users ask")
        monitored = load_test("loadtest.monitored", env=env)
        seen = len(asked(tmp_path))
        until(lambda: len(asked(tmp_path)) > seen + 20, "users ask on")
        traffic.send_signal(signal.SIGINT)
        said, _ = traffic.communicate(timeout=LAST_S)

    assert (monitored.code, traffic.returncode) == (0, 0), monitored.err + said
    assert "deploy succeeded" in said
    told = summary(result(tmp_path, "traffic"))
    assert [phase["name"] for phase in told["phases"]] == ["before", "during deploy", "after"]
    assert told["failed"] == 0 and set(told["by_color"]) == {"blue", "green"}
    grown = re.search(r'`modelsvc_deployments_total\{kind="deploy",outcome="succeeded"\}` \|.*\| 1 \|', monitored.out)
    assert grown and "another process than before" in monitored.out
    folder = result(tmp_path, "monitored")
    assert {path.name for path in (folder / "after").iterdir()} == {"blue.prom", "green.prom", "supervisor.prom"}
    assert 'modelsvc_http_requests_total{code="200",route="/chat"}' in (folder / "after/green.prom").read_text()
    assert not [child for child in psutil.Process().children(recursive=True) if "locust" in " ".join(child.cmdline())]


def test_a_monitored_deployment_whose_supervisor_dies_is_reported(service: Service, tmp_path: Path) -> None:
    """With what it told until then; the exit code says that it did not succeed."""
    service.settled()
    command = [sys.executable, "-m", "loadtest.monitored"]
    env = service.env | {"RESULTS": str(tmp_path)}
    with subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as ran:
        service.sees(lambda status: status.deployment, "a deployment is under way")
        service.kill_supervisor()
        said, wrong = ran.communicate(timeout=LAST_S)
    service.up()

    assert ran.returncode == ExitCode.FAILED and "went away" in wrong and "Traceback" not in wrong, wrong
    assert "not running afterwards" in said
    folder = result(tmp_path, "monitored")
    assert (folder / "before/supervisor.prom").read_text() and not (folder / "after/supervisor.prom").read_text()


def asked(results: Path) -> list[str]:
    return [line for path in results.glob("*-traffic/requests.csv") for line in path.read_text().splitlines()]


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("baseline", "--model", "/nowhere.gguf"), 2, "no model file"),
        (("baseline", "--duration", "0"), 2, "not between"),
        (("baseline", "--duration", "soon"), 2, "'soon' is not between"),
        (("baseline", "--users", "0"), 2, "1 or more"),
        (("baseline", "--users", "many"), 2, "'many' is not a whole number"),
        (("baseline", "--prompt-words", "-5"), 2, "0 or more"),
        (("baseline", "--bake-s", "nan"), 2, "'nan' is not 0 or"),
        (("traffic", "--url", "http://[::1"), 2, "is no address"),
        (("traffic", "--url", "http://192.0.2.1"), 2, "not on this machine"),
        (("traffic", "--url", "http://127.0.0.1:9"), 2, "nobody answers"),
    ],
)
def test_misuse_is_told_at_once(tmp_path: Path, arguments: tuple[str, ...], code: int, says: str) -> None:
    """Before anything is started or a folder made."""
    ran = load_test("loadtest.run", *arguments, "--results", tmp_path)

    assert ran.code == code and says in ran.err
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("kind", ["a file", "a link to nowhere", "in a file"])
def test_results_that_cannot_be_kept_are_told_at_once(tmp_path: Path, kind: str) -> None:
    """Before a service is started for them."""
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    results = {"a file": "file", "a link to nowhere": "link", "in a file": "file/results"}[kind]
    ran = load_test("loadtest.run", "baseline", "--results", tmp_path / results)

    assert ran.code == 2 and "RESULTS" in ran.err and "Traceback" not in ran.err
    assert {path.name for path in tmp_path.iterdir()} == {"file", "link"}


def test_an_interruption_while_the_service_starts_leaves_nothing(tmp_path: Path) -> None:
    """As soon as there is a supervisor, which cannot be asked yet."""
    command = [sys.executable, "-m", "loadtest.run", "baseline", "--results", str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as run:
        started = until(lambda: psutil.Process(run.pid).children(), "a supervisor is started")
        run.send_signal(signal.SIGINT)
        _, said = run.communicate(timeout=LAST_S)

    assert run.returncode == INTERRUPTED and not said, said
    assert not [process for process in started or () if process.is_running()]


def test_a_deployment_needs_a_daemon(service: Service, tmp_path: Path) -> None:
    """A server alone can be asked, not deployed on."""
    nobody = {**service.env, "MODELSVC_HOME": str(tmp_path)}
    ran = load_test("loadtest.run", "deploy", "--url", service.url, "--results", tmp_path, env=nobody)

    assert httpx.get(f"{service.url}/healthz", trust_env=False).status_code == 200
    assert ran.code == 3 and not [*tmp_path.glob("*-deploy")]


def test_a_rehearsal_without_a_daemon_says_so(tmp_path: Path) -> None:
    """Not that an address is wrong which nobody gave."""
    nobody = {**os.environ, "MODELSVC_HOME": str(tmp_path), "MODELSVC_CONFIG": ""}
    ran = load_test("loadtest.rehearse", "swaps", env=nobody)

    assert ran.code == 3 and "modelsvc up" in ran.err and str(tmp_path) in ran.err
