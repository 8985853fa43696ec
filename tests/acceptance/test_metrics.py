"""What a running service tells Prometheus, held to docs/metrics.md, and to what was done to it."""

import os
import re
import signal
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import httpx
import pytest
from disposable.service import DEADLINE_S
from disposable.waiting import until
from prometheus_client.metrics_core import Metric
from tests.support.exposition import Exposition, needs_promtool, promtool_says
from tests.support.service_fixture import Service, other, service_folder

from supervisor.protocol import Color, DeployRequest

DOCUMENT = Path(__file__).parents[2] / "docs" / "metrics.md"
TEXTFILE = "modelsvc.prom"
HISTOGRAM_LABELS = {"le"}

Described = tuple[str, frozenset[str]]  # type and labels


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    """Has deployed, answered, refused and held; nothing that comes later makes metrics less."""
    with service_folder(tables={"control": {"textfile": TEXTFILE}}) as service:
        hook = {"on": ["deployment_ended"], "command": ["true"]}
        service.tables |= {"hook": [hook]}  # type: ignore[dict-item]  # a list of tables
        service.up()
        service.chat("Hello.")
        service.get("/made/up")
        service.does("deploy", DeployRequest())
        service.chat("Hello again.")
        service.get("/made/up")
        until(
            lambda: ("modelsvc_hook_runs_total", "deployment_ended", "succeeded") in supervisor(service),
            "the hook was run",
            5,
        )
        yield service


def supervisor(service: Service) -> Exposition:
    url = f"http://{service.tables['control']['metrics_listen']}/metrics"
    answer = httpx.get(url, timeout=DEADLINE_S, trust_env=False)
    assert answer.headers["content-type"].startswith("text/plain; version=")
    return Exposition(answer.text)


def worker(service: Service, color: Color) -> Exposition:
    return Exposition(service.get("/metrics", color).text)


def active(service: Service) -> Color:
    color = service.settled().active
    assert color is not None
    return color


def textfile(service: Service) -> Exposition:
    path = service.folder / TEXTFILE
    until(path.exists, "the textfile is written", 20)
    return Exposition(path.read_text())


def described(families: Iterable[Metric]) -> dict[str, Described]:
    """What an exposition has, by name; metrics without a series have no labels to tell."""
    return {
        f"{family.name}_total" if family.type == "counter" else family.name: (
            family.type,
            frozenset(label for sample in family.samples for label in sample.labels) - HISTOGRAM_LABELS,
        )
        for family in families
        if family.samples
    }


def documented(*sections: str) -> dict[str, Described]:
    """The rows of these sections' tables."""
    text = DOCUMENT.read_text()
    tables = [text.split(f"## {section}\n")[1].split("\n## ")[0] for section in sections]
    rows = [line.strip("|").split("|") for table in tables for line in table.splitlines() if line.startswith("| `")]
    return {
        name.strip(" `"): (kind.strip(), frozenset(re.findall(r"`(\w+)`", labels))) for name, kind, labels, _ in rows
    }


OF_EACH = ("Of each process",) if sys.platform == "linux" else ()


def test_the_document_tells_all_that_a_worker_does(service: Service) -> None:
    """No more, no less, types and labels included."""
    found = worker(service, active(service))
    assert described(found.families) == documented("Of a worker", *OF_EACH)
    assert len(list(found.samples())) < allowed("a worker")


def test_the_document_tells_all_that_the_supervisor_does(service: Service) -> None:
    """The same."""
    found = supervisor(service)
    assert described(found.families) == documented("Of the supervisor", *OF_EACH)
    assert len(list(found.samples())) < allowed("the supervisor")


def test_the_file_tells_what_the_supervisor_does_of_its_own(service: Service) -> None:
    """It may be read before everything has happened, so it may have less."""
    found = described(textfile(service).families)
    own = documented("Of the supervisor")
    assert found.keys() <= own.keys() and all(found[name] == own[name] for name in found)


def allowed(whose: str) -> int:
    """How many series the document says there are at most."""
    told = re.search(r"a worker\s+has at most ([\d,]+) series, the supervisor ([\d,]+)", DOCUMENT.read_text())
    assert told is not None
    return int(told[1 if whose == "a worker" else 2].replace(",", ""))


@needs_promtool
def test_promtool_finds_nothing_wrong(service: Service) -> None:
    """With any of the expositions."""
    for found in (supervisor(service), worker(service, active(service)), textfile(service)):
        assert promtool_says(found.text) == ""


def test_the_edge_counts_what_clients_saw(service: Service) -> None:
    """By who answered, and without questions about health; a scrape knows of all that nginx has written down."""
    color = active(service)
    before = supervisor(service)["modelsvc_edge_requests_total", "200", color]
    for _ in range(5):
        assert service.chat("Hi.").status_code == 200
        service.get("/healthz")

    def counted() -> bool:
        return supervisor(service)["modelsvc_edge_requests_total", "200", color] == before + 5

    until(counted, "all five are counted, and nothing else", 5)
    found = supervisor(service)
    requests = sum(s.value for s in found.samples() if s.name == "modelsvc_edge_requests_total")
    timed = sum(s.value for s in found.samples() if s.name == "modelsvc_edge_request_duration_seconds_count")
    assert requests == timed


def test_memory_is_told_as_the_ledger_tells_it(service: Service) -> None:
    """Of every process, and the forecast of one more."""
    ledger, found = service.client.memory(), supervisor(service)
    assert {process.who for process in ledger.processes} == {
        sample.labels["process"] for sample in found.samples() if sample.name == "modelsvc_memory_private_bytes"
    }
    assert ledger.forecast is not None
    assert found["modelsvc_memory_forecast_bytes"] == ledger.forecast.private_bytes
    assert found["modelsvc_memory_shared_bytes"] == ledger.shared_bytes
    assert found["modelsvc_memory_used_bytes"] == pytest.approx(ledger.used_bytes, rel=0.1)


def test_held_requests_are_seen_waiting_and_replayed(service: Service) -> None:
    """By an operator's word, which the switch to nobody and back shows too."""
    before, color = supervisor(service), active(service)
    service.does("pause")
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(service.chat, "Hi.")
        until(lambda: supervisor(service)["modelsvc_edge_waiting_requests"] == 1, "it waits")
        assert supervisor(service)["modelsvc_edge_paused"] == 1
        service.does("resume")
        assert asked.result().status_code == 200
    after = supervisor(service)
    for name in ("modelsvc_edge_held_total", "modelsvc_edge_replayed_total"):
        assert after[name] == before[name] + 1
    assert after["modelsvc_edge_paused"] == after["modelsvc_edge_waiting_requests"] == 0
    for to in ("none", color):
        assert after["modelsvc_edge_switches_total", to] == before["modelsvc_edge_switches_total", to] + 1


def test_a_crash_and_the_failover_are_counted_while_scrapes_go_on(service: Service) -> None:
    """No scrape fails because a process vanishes, and no counter goes back."""
    old = active(service)
    pid = service.status().workers[old].pid
    assert pid is not None
    scrapes = [supervisor(service)]

    def taken_over() -> bool:
        scrapes.append(supervisor(service))
        return scrapes[-1]["modelsvc_active", other(old)] == 1 and scrapes[-1]["modelsvc_deployment_running"] == 0

    os.kill(pid, signal.SIGKILL)
    until(taken_over, "the standby has taken over", DEADLINE_S)
    first, last = scrapes[0], scrapes[-1]
    assert last["modelsvc_worker_ends_total", old, "false"] == first["modelsvc_worker_ends_total", old, "false"] + 1
    assert last["modelsvc_deployments_total", "failover", "succeeded"] == 1
    for earlier, later in pairwise(scrapes):
        assert not list(shrunk(earlier, later))


def shrunk(earlier: Exposition, later: Exposition) -> Iterator[str]:
    """Counters that went back."""
    for family in earlier.families:
        for sample in family.samples if family.type in ("counter", "histogram") else ():
            key = (sample.name, *(value for _, value in sorted(sample.labels.items())))
            if later[key] < sample.value:
                yield f"{key}: {sample.value} before, {later[key]} after"


def test_the_next_supervisor_goes_on_telling(service: Service) -> None:
    """Of what runs, and of the last success; its own counters begin anew, as the process does."""
    color, before = active(service), supervisor(service)
    service.kill_supervisor()
    service.up()
    after = supervisor(service)
    for name in ("modelsvc_edge_up", "modelsvc_active_release", "modelsvc_edge_old_workers"):
        assert after[name] == before[name]
    assert after["modelsvc_active", color] == after["modelsvc_worker_state", color, "ready"] == 1
    assert after["modelsvc_deployments_begun_total", "deploy"] == 0
    last = "modelsvc_deployment_last_success_timestamp_seconds"
    assert after[last] == pytest.approx(before[last], abs=1)
    told = {s.labels["process"] for s in after.samples() if s.name == "modelsvc_memory_private_bytes"}
    assert {"supervisor", "edge", color} <= told


def test_the_file_is_gone_when_the_supervisor_is(service: Service) -> None:
    """The last test of this service."""
    textfile(service)
    assert service.shut_down() == 0
    assert not (service.folder / TEXTFILE).exists()
