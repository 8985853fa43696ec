"""The supervisor dies in the middle of a deployment: the next one rolls back or goes forward, and says which."""

import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest
from disposable.processes import is_alive
from disposable.waiting import until
from tests.support.service_fakes import begin_anew, behave, fake_service
from tests.support.service_fixture import Service, passed, streaming
from tests.support.service_traffic import steady_traffic

from supervisor.protocol import Color, Status

INTERRUPTED = "the supervisor ended during the deployment"


@pytest.fixture(scope="module")
def fakes() -> Iterator[Service]:
    with fake_service() as service:
        yield service


@pytest.fixture
def service(fakes: Service) -> Iterator[Service]:
    begin_anew(fakes)
    yield fakes
    behave(fakes)


@pytest.mark.parametrize(
    ("step", "new"),
    [
        ("admit", {"ready_after_s": 2.0}),
        ("await_ready", {"ready_after_s": 2.0}),
        ("warm_up", {"chat_s": 1.0}),
    ],
)
def test_before_the_reload_it_is_rolled_back(service: Service, step: str, new: dict[str, Any]) -> None:
    """The old colour serves on, the standby is ended, and history says so."""
    before = service.settled()
    old = active(before)
    behave(service, **{old.other: new})

    with steady_traffic(service.url, clients=4) as traffic:
        killed_at(service, step)
        standby = standby_pid(service, before)
        after = service.up()
        traffic.goes_on()

    recorded = service.history()[0]
    assert (recorded.outcome, recorded.reason) == ("rolled_back", INTERRUPTED)
    assert recorded.finished_at and recorded.deployment > 1
    consistent(service, after)
    assert (after.active, after.release, pids(after)) == (old, before.release, pids(before))
    assert not any(map(is_alive, standby)), "the standby goes on"


@pytest.mark.parametrize("step", ["write_config", "switch_route"])
def test_around_the_reload_route_and_record_agree(service: Service, step: str) -> None:
    """Whether it got as far as the verified route or not: status, route file, edge and history tell the same."""
    before = service.settled()
    with steady_traffic(service.url, clients=4) as traffic:
        killed_at(service, step)
        after = service.up()
        traffic.goes_on()

    succeeded = after.active != before.active
    recorded = service.history()[0]
    assert (recorded.outcome, recorded.reason) == ("succeeded" if succeeded else "rolled_back", INTERRUPTED)
    consistent(service, after)


def test_after_the_switch_it_is_taken_as_done(service: Service) -> None:
    """Killed while the old colour drains a stream: the new one stays active, and the stream is complete."""
    before = service.settled()
    old = active(before)
    behave(service, **{old: {"talks_on": True}})
    with streaming(service) as lines:
        killed_at(service, "drain")
        after = service.up()
        assert after.active == old.other
        behave(service)
        assert "event: done" in lines

    recorded = service.history()[0]
    assert (recorded.outcome, recorded.to_color) == ("succeeded", old.other)
    consistent(service, after)


def test_killed_in_the_bake_it_is_taken_as_done(service: Service) -> None:
    """The old worker is adopted as the warm rollback target, and a rollback to it works."""
    before = service.settled()
    with steady_traffic(service.url, clients=4) as traffic:
        killed_at(service, "bake")
        after = service.up()
        traffic.goes_on()
        assert after.active == active(before).other
        assert service.history()[0].outcome == "succeeded"
        assert pids(after)[active(before)] == pids(before)[active(before)]
        assert service.ctl("rollback").code == 0
        traffic.goes_on()
    assert service.settled().active == before.active
    consistent(service, service.settled())


def test_a_release_that_was_not_proven_is_not_taken_as_done(service: Service) -> None:
    """Its colour served before the standby stood in for it: the route on record must not speak for the new release."""
    old = active(service.settled())
    service.does("start", old.other)
    lost = service.settled().workers[old].pid
    service.kill_supervisor()
    kill(lost)
    behave(service, **{old: {"dies_before_ready": True}})
    service.launch()
    stands_in = service.sees(lambda s: s.active == old.other and s.deployment is None, "the standby serves")
    assert service.history()[0].outcome == "rolled_back"

    behave(service, **{old: {"chat_s": 5.0}})
    killed_at(service, "warm_up")
    behave(service)
    after = service.up()
    recorded = service.history()[0]
    assert (recorded.outcome, recorded.to_color) == ("rolled_back", old)
    assert (after.active, after.release, pids(after)) == (old.other, stands_in.release, pids(stands_in))
    consistent(service, after)


def test_the_only_worker_that_serves_is_not_ended(service: Service) -> None:
    """Killed between the switch and its verification, and the old worker with it: the new one goes on serving."""
    before = service.settled()
    old = active(before)
    behave(service, **{old.other: {"claims_release": 999}})  # it is asked for its release until it tells the right one
    killed_at(service, "verify_route")
    new = standby_pid(service, before)
    kill(before.workers[old].pid)
    behave(service)
    after = service.up()
    recorded = service.history()[0]
    assert (after.active, [after.workers[old.other].pid]) == (old.other, new)
    assert (recorded.outcome, recorded.reason) == ("succeeded", "")
    consistent(service, after)


def killed_at(service: Service, step: str) -> None:
    """Begin a deployment and kill the supervisor when that step is announced."""
    with service.watching("deploy") as events:
        passed(events, step, "running")
        service.kill_supervisor()


def consistent(service: Service, status: Status) -> None:
    """Status, route file, the edge's answers and the workers tell the same."""
    color = active(status)
    assert service.routes_to() == status.edge.routes_to == color
    answers = [service.chat("Hello!").raise_for_status().headers for _ in range(5)]
    release = str(status.workers[color].release)
    assert {(told["x-modelsvc-color"], told["x-modelsvc-release"]) for told in answers} == {(color, release)}
    assert status.release and str(status.release.number) == release
    for slot in Color:
        worker = status.workers[slot]
        assert (worker.state == "absent") == (worker.pid is None)
        assert worker.pid is None or service.get("/health/deep", slot).json()["worker_id"] == worker.worker_id


def standby_pid(service: Service, before: Status) -> list[int]:
    """The new colour's worker, if it was started."""
    known = {pid for pid in pids(before).values() if pid}
    return [pid for pid in service.worker_pids() if pid not in known]


def pids(status: Status) -> dict[Color, int | None]:
    return {color: worker.pid for color, worker in status.workers.items()}


def kill(pid: int | None) -> None:
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    until(lambda: not is_alive(pid), f"process {pid} is gone")


def active(status: Status) -> Color:
    assert status.active is not None
    return status.active
