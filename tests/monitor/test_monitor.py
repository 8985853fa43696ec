"""`modelsvc monitor` with a real Prometheus beside a real service."""

import os
import re
import signal
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest
from disposable.processes import is_alive
from disposable.waiting import until
from tests.support.fake_prometheus import BEHAVIOUR_ENV, fake_prometheus
from tests.support.real_prometheus import needs_prometheus
from tests.support.service_fixture import Service, running_service
from tests.support.service_traffic import plain_traffic

from supervisor.protocol import Color, DeployRequest, ExitCode, MonitorStatus

NOBODY_SERVES = ("ModelsvcNoActiveWorker", "pending")


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    """Whose monitor tests start and stop."""
    with running_service() as running:
        yield running


@pytest.fixture
def monitored(service: Service) -> Iterator[Service]:
    """With Prometheus up; it is down afterwards."""
    done = service.run("monitor", "up")
    assert done.code == ExitCode.DONE, done.err
    yield service
    assert service.run("monitor", "down").code == ExitCode.DONE


def sees(service: Service, state: str) -> MonitorStatus:
    """Wait until the monitor is in that state."""
    until(lambda: service.client.monitor().state == state, f"the monitor is {state}")
    return service.client.monitor()


@contextmanager
def fitted(budget_gb: float, holds_bytes: int = 0) -> Iterator[Service]:
    """A service with little memory, and a Prometheus that holds that much."""
    with tempfile.TemporaryDirectory(prefix="msvcfake") as folder:
        tables = {"memory": {"budget_gb": budget_gb}, "monitor": {"prometheus": str(fake_prometheus(Path(folder)))}}
        environment = {BEHAVIOUR_ENV: f"grow:{holds_bytes}"}
        with running_service(tables=tables, environment=environment) as running:
            yield running


def health(service: Service) -> dict[str | None, str]:
    return {target.color: target.health for target in service.client.targets().targets}


def alerts(service: Service) -> set[tuple[str, str]]:
    return {(alert.name, alert.state) for alert in service.client.monitor().alerts or ()}


def ledger(service: Service) -> dict[str, int]:
    return {process.who: process.private_bytes for process in service.client.memory().processes}


def scrape_often(service: Service) -> None:
    """A test does not wait for 10 s. The file is made anew when the next supervisor takes it up."""
    path, pid = service.state.monitor / "prometheus.yml", service.client.monitor().pid
    path.write_text(path.read_text().replace("10s", "1s"))
    assert pid
    os.kill(pid, signal.SIGHUP)


def metrics_url(service: Service) -> str:
    return f"http://{service.tables['control']['metrics_listen']}/metrics"


@needs_prometheus
def test_up_and_down(service: Service) -> None:
    """It answers when `up` returns, and is gone when `down` does; the samples stay."""
    up = service.run("monitor", "up", "--json")
    assert (up.code, up.last["state"], up.last["wanted"]) == (ExitCode.DONE, "running", True)
    assert httpx.get(f"{up.last['url']}/-/ready", trust_env=False).status_code == 200

    down = service.run("monitor", "down", "--json")
    assert (down.code, down.last["state"], down.last["pid"]) == (ExitCode.DONE, "off", None)
    assert not is_alive(up.last["pid"])
    assert [*(service.state.monitor / "data" / "wal").iterdir()]


@needs_prometheus
def test_what_runs_is_in_the_status_the_ledger_and_the_metrics(monitored: Service) -> None:
    found = monitored.client.monitor()
    status, memory = monitored.ctl("status"), monitored.client.memory()
    told = {process.who: process for process in memory.processes}

    assert f"Prometheus running, {found.url}" in status.out
    assert told["prometheus"].pids == [found.pid]
    assert memory.used_bytes > sum(process.private_bytes for process in told.values()) > 0
    assert "modelsvc_monitor_up 1.0" in httpx.get(metrics_url(monitored), trust_env=False).text
    assert found.retention == "24h" and found.data_bytes and found.private_bytes


@needs_prometheus
def test_the_second_colour_is_no_worry(monitored: Service) -> None:
    """It is down by nature, `targets` says so, and the exit code does not mind."""
    scrape_often(monitored)
    until(lambda: health(monitored) == {"blue": "up", "green": "down", None: "up"}, "all were scraped", 30)
    text = monitored.run("monitor", "targets")

    assert text.code == ExitCode.DONE
    assert [line.split("http")[0].split()[1:] for line in text.out.splitlines()[1:]] == [
        ["-", "up"],
        ["blue", "up"],
        ["green", "down,", "not", "wanted"],
    ]
    assert not [alert for alert in monitored.client.monitor().alerts or () if "green" in alert.summary]


@needs_prometheus
def test_an_alert_is_in_the_status_while_it_lasts(monitored: Service) -> None:
    """From a worker that is stopped, over its metrics and Prometheus, to the command line; pending for a minute."""
    scrape_often(monitored)
    color = monitored.settled().active
    assert color and monitored.ctl("stop", color, "--force").code == ExitCode.DONE
    until(lambda: NOBODY_SERVES in alerts(monitored), "nobody serves, says an alert")
    assert "ModelsvcNoActiveWorker" in monitored.run("monitor", "status").out

    assert monitored.ctl("start", color).code == ExitCode.DONE
    until(lambda: NOBODY_SERVES not in alerts(monitored), "the alert is over")


@needs_prometheus
def test_promtool_is_asked_about_what_would_run(service: Service) -> None:
    """Also before it does."""
    done = service.run("monitor", "check")
    assert done.code == ExitCode.DONE
    assert "is valid prometheus config file syntax" in done.out
    assert done.out.count("rules found") == 2


@needs_prometheus
def test_one_that_is_killed_comes_back(monitored: Service) -> None:
    pid = monitored.client.monitor().pid
    assert pid
    os.kill(pid, signal.SIGKILL)
    until(lambda: monitored.client.monitor().pid not in (None, pid), "another one runs")
    assert sees(monitored, "running").crashes == 1


@needs_prometheus
def test_it_outlives_the_supervisor_and_is_taken_up_by_the_next(monitored: Service) -> None:
    """The same process; a supervisor that is shut down stops it, and the one after that starts it again."""
    pid = monitored.client.monitor().pid
    assert pid
    monitored.kill_supervisor()
    assert is_alive(pid)
    monitored.up()
    assert sees(monitored, "running").pid == pid

    assert monitored.ctl("handover").code == ExitCode.DONE
    assert monitored.exit_code() == 0 and is_alive(pid)
    monitored.up()
    assert sees(monitored, "running").pid == pid

    assert monitored.shut_down() == 0
    assert not is_alive(pid)
    monitored.up()
    assert sees(monitored, "running").pid != pid


@needs_prometheus
def test_a_broken_data_folder_is_told_with_what_to_do(service: Service) -> None:
    """A write-ahead log of another making, say."""
    data = service.state.monitor / "data"
    service.run("monitor", "up")
    service.run("monitor", "down")
    for block in ("wal", "chunks_head"):
        (data / block).rename(data / f"{block}.aside")
        (data / block).write_text("no folder")
    try:
        done = service.run("monitor", "up")
        assert done.code == ExitCode.FAILED
        assert f"move {data} away" in done.err
        assert service.client.monitor().wanted is False
    finally:
        for block in ("wal", "chunks_head"):
            (data / block).unlink()
            (data / f"{block}.aside").rename(data / block)


@needs_prometheus
def test_a_taken_port_is_refused(service: Service) -> None:
    """And the service goes on."""
    host, _, port = service.tables["monitor"]["listen"].rpartition(":")
    with socket.create_server((host, int(port))):
        done = service.run("monitor", "up")
    assert done.code == ExitCode.REFUSED
    assert "monitor.listen" in done.err and f"pid {os.getpid()}" in done.err
    assert service.chat("Hello!").status_code == 200


def test_targets_of_one_that_does_not_run_are_refused(service: Service) -> None:
    done = service.run("monitor", "targets")
    assert (done.code, "modelsvc monitor up" in done.err) == (ExitCode.REFUSED, True)


def test_a_prometheus_that_would_not_fit_beside_a_deployment_is_refused() -> None:
    """With the account; nothing changes."""
    with fitted(budget_gb=0.15) as service:
        done = service.run("monitor", "up")
        assert done.code == ExitCode.REFUSED
        assert "memory.budget_gb allows 150 MB" in done.err
        assert "a standby to deploy to" in done.err
        assert service.client.monitor().pid is None


def test_a_deployment_that_needs_its_memory_gets_it() -> None:
    """Prometheus is stopped first, no request fails, and it waits until there is room again."""
    with fitted(budget_gb=0.27, holds_bytes=100_000_000) as service:
        assert service.run("monitor", "up").code == ExitCode.DONE
        pid = service.client.monitor().pid
        assert pid and psutil.Process(pid).is_running()
        until(lambda: ledger(service)["prometheus"] >= 100_000_000, "the ledger looked anew since it grew")
        assert "Prometheus would be stopped for it" in service.ctl("deploy", "--set", "model.slots=2", "--plan").out
        with plain_traffic(service.url, clients=2) as traffic:
            service.does("deploy", DeployRequest(model=None, settings={"model.slots": 2}))
            traffic.goes_on(4)

        after = service.client.monitor()
        assert (after.state, after.wanted) == ("waiting", True)
        assert "a deployment needed" in after.reason
        assert not is_alive(pid)
        assert "Prometheus is stopped for it" in service.history()[0].steps[2].detail
        assert "Prometheus waiting" in service.ctl("status").out


@needs_prometheus
def test_a_worker_that_crashes_again_and_again_fires_an_alert() -> None:
    """At once, as the rules are: from SIGKILL to `monitor status`. Before it, nothing fired."""
    with running_service() as service:
        assert service.run("monitor", "up").code == ExitCode.DONE
        scrape_often(service)
        until(lambda: health(service).get("blue") == "up", "blue was scraped")
        assert service.client.monitor().alerts == []
        for crashes in (1, 2, 3):
            os.kill(service.worker_pids()[0], signal.SIGKILL)
            service.sees(lambda status: status.workers[Color.BLUE].restarts >= crashes, "it crashed")  # noqa: B023
            service.settled()

        until(lambda: ("ModelsvcCrashLoop", "firing") in alerts(service), "a crash loop, says an alert")
        assert re.search("firing +critical +ModelsvcCrashLoop .* the blue worker", service.run("monitor", "status").out)
