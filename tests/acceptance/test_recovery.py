"""What goes wrong around a service that serves: it finds back, and requests wait instead of failing."""

import os
import shutil
import signal
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import httpx
import psutil
import pytest
from disposable.processes import is_alive
from disposable.service import is_settled
from disposable.waiting import until
from tests.support.service_fakes import begin_anew, behave, fake_service
from tests.support.service_fixture import Service, other
from tests.support.service_traffic import steady_traffic

from supervisor.protocol import Color, Status


@pytest.fixture(scope="module")
def fakes() -> Iterator[Service]:
    with fake_service() as service:
        yield service


@pytest.fixture
def service(fakes: Service) -> Iterator[Service]:
    begin_anew(fakes)
    yield fakes
    behave(fakes)


@pytest.fixture
def asking() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as pool:
        yield pool


# --- paused -----------------------------------------------------------------------------------------------------------


def test_a_pause_holds_requests_until_the_resume(service: Service) -> None:
    """Under traffic: none fails, and a deployment is refused meanwhile."""
    with steady_traffic(service.url, clients=4) as traffic:
        assert service.ctl("pause").code == 0
        service.sees(lambda s: s.edge.waiting >= 1, "requests wait")
        refused = service.ctl("deploy")
        assert refused.code == 4 and "modelsvc ctl resume" in refused.err
        assert service.ctl("resume").code == 0
        traffic.goes_on()


def test_a_pause_outlives_the_supervisor(service: Service, asking: ThreadPoolExecutor) -> None:
    """The next one holds on, and says so; what is asked then is answered after the resume."""
    assert service.ctl("pause").code == 0
    service.kill_supervisor()
    service.launch()
    status = service.sees(lambda s: s.edge.pid is not None, "it is up")
    assert status.edge.paused and service.routes_to() == "nobody"
    waiting = asking.submit(service.chat, "Hello!")
    service.sees(lambda s: s.edge.waiting == 1, "the request waits")
    assert service.ctl("resume").code == 0
    assert waiting.result().is_success


# --- the active worker ------------------------------------------------------------------------------------------------


def test_a_warm_standby_takes_over(service: Service) -> None:
    """The active worker is killed under traffic: no plain request fails, and history has a failover."""
    old = active(service)
    service.does("start", other(old))
    answers = ask_while(service, lambda: kill_and_see(service, old))
    assert answers == {200}
    assert service.history()[0].kind == "failover"
    assert service.settled().active == other(old)


@pytest.mark.parametrize("behaviour", [{"not_ready_any_more": True}, {"hangs": True}])
def test_a_worker_that_does_not_answer_is_replaced(service: Service, behaviour: dict[str, Any]) -> None:
    """Ended after a few looks, and its standby serves."""
    old = active(service)
    service.does("start", other(old))
    began = time.monotonic()
    behave(service, **{old: behaviour})
    service.sees(lambda s: s.active == other(old) and s.deployment is None, "the standby took over")
    assert time.monotonic() - began < 15
    behave(service)
    assert service.chat("Hello!").is_success


def test_a_crash_loop_is_given_up_loudly(service: Service) -> None:
    """Requests are answered at once with 503; `ctl start` tries again."""
    color = active(service)
    behave(service, **{color: {"dies_before_ready": True}})
    kill(service.status().workers[color].pid)
    failed = service.sees(lambda s: s.workers[color].state == "failed", "it is given up", 90)
    assert len(failed.workers[color].deaths) >= 3
    began = time.monotonic()
    answer = service.chat("Hello!")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "no_worker")
    assert "retry-after" in answer.headers and time.monotonic() - began < 2
    behave(service)
    assert service.ctl("start", color).code == 0
    assert service.settled().active == color and service.chat("Hello!").is_success


def test_a_worker_that_dies_while_the_past_is_taken_up_is_not_taken_for_ready(service: Service) -> None:
    """A hung standby holds up the next supervisor, and the active worker is killed meanwhile: it is booted anew."""
    old = active(service)
    service.does("start", other(old))
    before = service.settled()
    lost, hung = before.workers[old].pid, before.workers[other(old)].pid
    assert lost and hung
    service.kill_supervisor()
    psutil.Process(hung).suspend()
    service.launch()
    until(lambda: asks(service, other(old)), "the next supervisor asks the standby", 60)
    kill(lost)

    after = service.sees(lambda s: is_settled(s) and s.workers[old].pid != lost, "another worker serves", 60)
    assert after.active == old and service.chat("Hello!").is_success
    assert not is_alive(hung)


def asks(service: Service, color: Color) -> bool:
    """Whether the supervisor has a connection to that worker."""
    assert service.process is not None
    port = int(service.tables["workers"][f"{color}_port"])
    with suppress(psutil.Error):
        connections = psutil.Process(service.process.pid).net_connections("tcp")
        return any(connection.raddr and connection.raddr.port == port for connection in connections)
    return False


# --- files and processes around it ------------------------------------------------------------------------------------


def test_a_deleted_route_is_put_right(service: Service) -> None:
    """Requests are held meanwhile."""
    before = service.settled()
    with steady_traffic(service.url, clients=4) as traffic:
        shutil.rmtree(service.state.edge / "route")
        until(lambda: (service.state.edge / "route" / str(before.active)).is_file(), "the route is back", 10)
        traffic.goes_on()


def test_the_edge_folder_is_laid_out_again_at_the_start(service: Service) -> None:
    """Route and configuration were deleted while no supervisor ran; nginx is adopted all the same."""
    before = service.settled()
    service.kill_supervisor()
    shutil.rmtree(service.state.edge / "route")
    (service.state.edge / "nginx.conf").unlink()
    after = service.up()
    assert (after.edge.pid, after.active) == (before.edge.pid, before.active)
    assert (service.state.edge / "nginx.conf").is_file() and service.chat("Hello!").is_success


def test_a_deleted_configuration_is_written_by_the_next_deployment(service: Service) -> None:
    """nginx does not need it to serve."""
    (service.state.edge / "nginx.conf").unlink()
    assert service.chat("Hello!").is_success
    assert service.ctl("deploy").code == 0
    assert (service.state.edge / "nginx.conf").is_file()


def test_nginx_alone_is_left(service: Service, asking: ThreadPoolExecutor) -> None:
    """Nobody holds: 503 with Retry-After at once. What is asked after the next start waits and is answered."""
    before = service.settled()
    service.kill_supervisor()
    for worker in before.workers.values():
        if worker.pid:
            kill(worker.pid)
    answer = service.chat("Hello!")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert answer.json()["error"]["code"] == "supervisor_away"

    behave(service, **{str(color): {"ready_after_s": 1.0} for color in Color})
    service.launch()
    service.sees(lambda s: s.edge.pid == before.edge.pid, "nginx is adopted")
    waiting: Future[httpx.Response] = asking.submit(service.chat, "Hello!")
    assert waiting.result().is_success
    behave(service)
    assert service.settled().edge.pid == before.edge.pid


def ask_while(service: Service, happens: Any) -> set[int]:
    """Plain requests from four clients while that happens; the statuses they got."""
    over: list[bool] = []

    def ask() -> set[int]:
        statuses = {service.chat("Hello!").status_code}
        while not over:
            statuses.add(service.chat("Hello!").status_code)
        return statuses

    with ThreadPoolExecutor(4) as pool:
        clients = [pool.submit(ask) for _ in range(4)]
        try:
            happens()
        finally:
            over.append(True)
    return set().union(*(client.result() for client in clients))


def kill_and_see(service: Service, color: Color) -> Status:
    kill(service.status().workers[color].pid)
    return service.sees(lambda s: is_settled(s) and s.active == color.other, "the standby took over")


def active(service: Service) -> Color:
    color = service.settled().active
    assert color is not None
    return color


def kill(pid: int | None) -> None:
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    until(lambda: not is_alive(pid), f"process {pid} is gone")
