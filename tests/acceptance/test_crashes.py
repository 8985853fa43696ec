"""Whatever is killed, the service finds back by itself; status and history tell the truth about it."""

import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from disposable.processes import is_alive, nginx_workers
from disposable.service import is_settled
from disposable.waiting import until
from tests.support.service_fixture import Service, running_service
from tests.support.service_traffic import plain_traffic, steady_traffic

from supervisor.protocol import Color, Status


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    """Blue serves release 1, green is its warm standby."""
    with running_service() as service:
        assert service.ctl("start", "green").code == 0
        yield service


def test_the_warm_standby_takes_over_from_a_killed_active_worker(service: Service) -> None:
    """At once, while the killed one comes back as its standby; nobody's plain request fails."""
    before = service.settled()
    active = serving(before)
    with plain_traffic(service.url) as traffic:
        kill(before.workers[active].pid)
        after = service.sees(lambda s: s.active == active.other and is_settled(s), "the standby took over")
        traffic.goes_on()
    assert after.workers[active.other].pid == before.workers[active.other].pid
    assert service.history()[0].kind == "failover"
    service.sees(lambda s: s.workers[active].state == "ready", "the killed one is back")


def test_a_killed_active_worker_is_restarted(service: Service) -> None:
    """Without a standby it comes back on the same port and release, and status tells how its predecessor ended."""
    service.does("stop", serving(service.settled()).other)
    before = service.settled()
    active = serving(before)
    with plain_traffic(service.url) as traffic:
        kill(before.workers[active].pid)
        service.sees(lambda s: is_settled(s) and s.workers[active].pid != before.workers[active].pid, "it is back")
        traffic.goes_on()

    after = service.settled()
    worker = after.workers[active]
    assert (after.active, worker.release) == (active, before.workers[active].release)
    assert worker.restarts == before.workers[active].restarts + 1
    assert worker.last_exit and (worker.last_exit.signal, worker.last_exit.code) == ("SIGKILL", None)
    assert service.chat("Hello!").raise_for_status().headers["x-modelsvc-color"] == active


def test_a_killed_active_worker_costs_no_plain_request(service: Service) -> None:
    """Who was being answered, and who asks meanwhile, is held and answered by its successor."""
    before = service.settled()
    active, enough = serving(before), threading.Event()

    def ask() -> list[int]:
        statuses = [service.chat("Hello!").status_code]
        while not enough.is_set():
            statuses.append(service.chat("Hello!").status_code)
        return statuses

    with ThreadPoolExecutor(4) as pool:
        asking = [pool.submit(ask) for _ in range(4)]
        try:
            kill(before.workers[active].pid)
            pid = before.workers[active].pid
            service.sees(lambda s: is_settled(s) and s.workers[active].pid != pid, "its successor serves")
        finally:
            enough.set()
    assert {status for statuses in asking for status in statuses.result()} == {200}


def test_each_crash_lengthens_the_pause(service: Service) -> None:
    """A worker that crashes again waits longer before it is started: backoff."""
    before = service.settled()
    active = serving(before)
    kill(before.workers[active].pid)
    waiting = service.sees(lambda s: s.workers[active].state == "backoff", "the worker pauses")
    after = service.settled()
    assert waiting.workers[active].pid is None and waiting.workers[active].wanted
    assert after.workers[active].restarts == before.workers[active].restarts + 1 >= 2


def test_a_killed_standby_is_noted_and_nothing_else(service: Service) -> None:
    """No restart, no switch, no failed request: only the status says so."""
    service.does("start", serving(service.settled()).other)
    before = service.settled()
    active = serving(before)
    with steady_traffic(service.url, clients=4) as traffic:
        kill(before.workers[active.other].pid)
        after = service.sees(lambda s: s.workers[active.other].state == "absent", "the standby is shown as absent")
        traffic.goes_on()
    standby = after.workers[active.other]
    assert standby.pid is None and standby.last_exit and standby.last_exit.signal == "SIGKILL"
    assert (after.active, after.workers[active].pid) == (active, before.workers[active].pid)


def test_a_killed_nginx_is_replaced_on_the_same_port(service: Service) -> None:
    """The next nginx serves where the killed one did, on the same route, and its orphaned workers end."""
    before = service.settled()
    orphans = nginx_workers(service.folder)
    kill(before.edge.pid)

    after = another_nginx(service, before)
    assert (after.edge.listen, after.edge.routes_to) == (before.edge.listen, serving(before))
    assert service.chat("Hello!").raise_for_status().headers["x-modelsvc-color"] == serving(before)
    until(lambda: not any(map(is_alive, orphans)), "the killed nginx's workers are gone")
    assert service.ctl("deploy").code == 0


def test_the_service_outlives_its_supervisor(service: Service) -> None:
    """nginx and workers go on under traffic; the next supervisor adopts them, and can deploy."""
    before = service.settled()
    with steady_traffic(service.url) as traffic:
        service.kill_supervisor()
        traffic.goes_on()
        after = service.up()
        traffic.goes_on()
        assert pids(after) == pids(before)
        assert (after.active, after.release) == (before.active, before.release)
        assert after.pid != before.pid
        assert service.ctl("deploy").code == 0
        traffic.goes_on()
    assert service.settled().active == serving(before).other


def test_an_adopted_nginx_that_is_killed_is_replaced(service: Service) -> None:
    """The next supervisor has no listening socket of its own; it takes the address over all the same."""
    service.kill_supervisor()
    before = service.up()
    kill(before.edge.pid)
    after = another_nginx(service, before)
    assert after.edge.listen == before.edge.listen
    assert service.chat("Hello!").is_success


def test_supervisor_and_nginx_killed_together(service: Service) -> None:
    """Only orphaned nginx workers hold the address then: they finish, and the next nginx takes over."""
    before = service.settled()
    service.kill_supervisor()
    kill(before.edge.pid)
    after = service.up()
    assert after.edge.pid != before.edge.pid and after.edge.listen == before.edge.listen
    assert after.workers[serving(before)].pid == before.workers[serving(before)].pid
    assert service.chat("Hello!").is_success


def test_all_killed_at_once(service: Service) -> None:
    """As after a reset of the machine: the release that served last serves again."""
    before = service.settled()
    service.kill_supervisor()
    for pid in (*pids(before), *nginx_workers(service.folder)):
        if pid:
            kill(pid)
    after = service.up()
    assert after.release == before.release
    assert service.chat("Hello!").is_success
    assert service.history()[0].outcome == "succeeded"


def another_nginx(service: Service, before: Status) -> Status:
    return service.sees(lambda s: is_settled(s) and s.edge.pid != before.edge.pid, "another nginx runs")


def serving(status: Status) -> Color:
    assert status.active is not None
    return status.active


def pids(status: Status) -> list[int | None]:
    return [status.edge.pid, *(worker.pid for worker in status.workers.values())]


def kill(pid: int | None) -> None:
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    until(lambda: not is_alive(pid), f"process {pid} is gone")
