"""Workers that misbehave in every way a worker can: a new one is rolled back, and what serves is not touched."""

import os
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest
from disposable.processes import is_alive
from disposable.waiting import until
from tests.support.service_fakes import PATIENCE, begin_anew, behave, fake_service
from tests.support.service_fixture import Service, passed, streaming
from tests.support.service_traffic import steady_traffic

from supervisor.protocol import Color, Status


@pytest.fixture(scope="module")
def fakes() -> Iterator[Service]:
    with fake_service(bake_s=1.5) as service:
        yield service


@pytest.fixture
def service(fakes: Service) -> Iterator[Service]:
    """Before each test all workers behave well, and the standby is absent."""
    begin_anew(fakes)
    yield fakes
    behave(fakes)


@pytest.mark.parametrize(
    ("behaviour", "step", "reason"),
    [
        ({"never_ready": True}, "await_ready", "(deploy.ready_timeout_s), last heard: loading 50 %"),
        ({"lies": True}, "await_ready", "worker is not ready: the weights are made of straw"),
        ({"dies_before_ready": True}, "await_ready", "exited with code 3: failed: the weights are made of straw"),
        ({"hangs": True}, "await_ready", "does not answer"),
        ({"refuses_chat": True}, "warm_up", "refused a warm-up prompt: no answer comes to mind"),
        ({"repacks": True}, "warm_up", "into repacked buffers instead of sharing the file's pages"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_bad_release_never_gets_requests(service: Service, behaviour: dict[str, Any], step: str, reason: str) -> None:
    """It fails at the step that can know, with the reason; the old colour serves all the time."""
    before = service.settled()
    behave(service, **{active(before).other: behaviour})

    with steady_traffic(service.url, clients=4) as traffic:
        ran = service.ctl("deploy", "--json")
        traffic.goes_on()

    rolled_back(service, before, ran.last, step, reason)
    assert ran.code == 1 and reason in ran.err
    assert set(traffic.report().by_color) == {active(before)}


def test_a_route_that_was_not_verified_is_taken_back(service: Service) -> None:
    """The edge was reloaded already when the new worker dies: it is reloaded again, to the old colour."""
    before = service.settled()
    behave(service, **{active(before).other: {"claims_release": 99}})
    with service.watching("deploy") as events:
        passed(events, "verify_route", "running")
        kill(service.status().workers[active(before).other].pid)
        *_, finished = events
    rolled_back(service, before, finished, "verify_route", "was killed by signal 9")
    assert served_by(service) == active(before)


def test_a_breach_in_the_bake_switches_back(service: Service) -> None:
    """The new colour stops being ready after the switch; the old one, still warm, takes over without a failure."""
    before = service.settled()
    with steady_traffic(service.url, clients=4) as traffic, service.watching("deploy") as events:
        passed(events, "bake", "running")
        behave(service, **{active(before).other: {"not_ready_any_more": True}})
        *_, finished = events
        traffic.goes_on()
    rolled_back(service, before, finished, "bake", "is not ready: the weights are made of straw")
    assert set(traffic.report().by_color) == {"blue", "green"}


def test_a_crash_in_the_bake_switches_back(service: Service) -> None:
    """A release that dies after the switch is not restarted: the old one takes over."""
    before = service.settled()
    with service.watching("deploy") as events:
        passed(events, "bake", "running")
        kill(service.status().workers[active(before).other].pid)
        *_, finished = events
    rolled_back(service, before, finished, "bake", "was killed by signal 9")
    assert served_by(service) == active(before)


def test_slow_readiness_is_waited_for(service: Service) -> None:
    """Within ready_timeout_s, and what the worker tells meanwhile is passed on."""
    before = service.settled()
    behave(service, **{active(before).other: {"ready_after_s": 1.0}})
    ran = service.ctl("deploy", "--json")
    assert ran.code == 0
    assert "loading 50 %" in [event["text"] for event in ran.events if event["event"] == "progress"]
    waited = next(step for step in ran.last["steps"] if step["name"] == "await_ready")
    assert 1.0 <= waited["seconds"] < 5.0


def test_a_worker_that_ignores_term_is_killed(service: Service) -> None:
    """TERM, the deadline, KILL; status tells which it was."""
    color = active(service.settled()).other
    behave(service, **{color: {"ignores_term": True}})
    assert service.ctl("start", color).code == 0
    assert service.ctl("stop", color).code == 0
    standby = service.settled().workers[color]
    assert standby.state == "absent" and standby.last_exit and standby.last_exit.signal == "SIGKILL"


def test_an_active_worker_that_crashes_on_is_restarted_ever_later(service: Service) -> None:
    """Each pause is twice as long; once it behaves, it serves again."""
    color = active(service.settled())
    behave(service, **{color: {"dies_before_ready": True}})
    kill(service.settled().workers[color].pid)
    crashing = service.sees(lambda s: s.workers[color].restarts >= 3, "three crashes")
    assert crashing.active == color and crashing.edge.routes_to == color
    assert service.get("/ready").status_code == 503
    behave(service)
    again = service.settled().workers[color]
    assert again.restarts >= 3 and again.last_exit and again.last_exit.code == 3


def test_a_hanging_active_worker_stops_a_deployment_before_it_begins(service: Service) -> None:
    """Step 1 finds out: refused, nothing changed."""
    before = service.settled()
    behave(service, **{active(before): {"hangs": True}})
    ran = service.ctl("deploy", "--json")
    behave(service)
    assert (ran.code, ran.last["outcome"]) == (4, "refused"), ran
    assert "does not answer" in ran.last["reason"]
    assert service.settled().workers[active(before).other].state == "absent"


def test_one_can_go_from_a_hanging_active_worker_to_the_warm_standby(service: Service) -> None:
    """That is what it is kept for: the one that hangs is not asked."""
    hung = active(service.settled())
    assert service.ctl("start", hung.other).code == 0
    behave(service, **{hung: {"hangs": True}})
    with service.watching("swap") as events:
        passed(events, "verify_route", "done")
        assert service.chat("Hello!").headers["x-modelsvc-color"] == hung.other
        behave(service)
        *_, finished = events
    assert (finished["outcome"], finished["active"]) == ("succeeded", hung.other)
    assert service.ctl("stop", hung).code == 0


def test_an_old_worker_that_hangs_is_waited_for_and_left(service: Service) -> None:
    """Busy or hung, it may hold a stream: the drain goes on, and nothing goes back to it."""
    old = active(service.settled())
    with service.watching("deploy") as events:
        passed(events, "check_active", "done")
        behave(service, **{old: {"hangs": True}}, **{old.other: {"ready_after_s": 0.5}})
        passed(events, "drain", "running")
        waits_for = next(event["text"] for event in events if event["event"] == "progress")
        assert waits_for.startswith(f"{old} does not answer")
        behave(service)
        *_, finished = events
    assert (finished["outcome"], finished["active"]) == ("succeeded", old.other)


def test_memory_that_grows_is_shown(service: Service) -> None:
    """Status measures the process itself."""
    color = active(service.settled())
    private = service.status().workers[color].private_bytes or 0
    behave(service, **{color: {"grows_mb": 60}})
    grown = service.sees(
        lambda s: (s.workers[color].private_bytes or 0) > private + 50_000_000, "the worker's memory is seen to grow"
    )
    assert grown.memory.used_bytes > 50_000_000


def test_shutdown_lets_a_stream_finish(fakes: Service) -> None:
    """Also one that takes longer than a worker may take to end. It is complete, and all exit with 0."""
    longer_s = 1.5 * PATIENCE["workers"]["stop_timeout_s"]
    behave(fakes, **{active(fakes.settled()): {"talks_on": True}})
    with streaming(fakes) as lines, fakes.watching("shutdown") as events:
        until(lambda: fakes.status().edge.state == "stopping", "the shutdown has begun")
        began = time.monotonic()
        assert any(time.monotonic() > began + longer_s for _ in lines)
        behave(fakes)
        assert "event: done" in lines
        *_, finished = events
    assert finished["outcome"] == "succeeded"
    assert fakes.exit_code() == 0


def rolled_back(service: Service, before: Status, finished: dict[str, Any], step: str, reason: str) -> None:
    """The deployment failed at that step for that reason, and all is as it was before."""
    old = active(before)
    assert (finished["outcome"], finished["active"]) == ("rolled_back", old), finished
    assert reason in finished["reason"], finished["reason"]
    assert [found["name"] for found in finished["steps"] if found["state"] == "failed"] == [step], finished
    after = service.settled()
    assert (after.active, after.release, after.workers[old].pid) == (old, before.release, before.workers[old].pid)
    assert (after.workers[old.other].state, service.routes_to()) == ("absent", old)
    recorded = service.history()[0]
    assert (recorded.deployment, recorded.outcome) == (finished["deployment"], "rolled_back")


def served_by(service: Service) -> str:
    return service.chat("Hello!").raise_for_status().headers["x-modelsvc-color"]


def active(status: Status) -> Color:
    assert status.active is not None
    return status.active


def kill(pid: int | None) -> None:
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    until(lambda: not is_alive(pid), f"process {pid} is gone")
