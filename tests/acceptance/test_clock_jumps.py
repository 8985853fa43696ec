"""A clock that is set by hours while the service runs: what takes time takes as long as before."""

import os
import signal
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from disposable.processes import is_alive
from disposable.waiting import until
from tests.support import service_with_clock
from tests.support.service_fakes import PATIENCE, begin_anew, behave
from tests.support.service_fixture import Service, other, passed, running_service
from tests.support.service_traffic import steady_traffic
from tests.support.service_truth import contradictions

from supervisor.protocol import Color, DeploymentStatus, Status

HOURS_S = 6 * 3600.0
BAKE_S, HOLD_S = 1.5, 2.5
LONG_S = 15.0  # no more for anything here, however slow the machine

pytestmark = pytest.mark.parametrize("jump_s", [HOURS_S, -HOURS_S], ids=["forward", "back"])


@pytest.fixture(scope="module")
def running() -> Iterator[Service]:
    program = (sys.executable, str(Path(service_with_clock.__file__)))
    deploy = {**PATIENCE["deploy"], "bake_s": BAKE_S}
    tables = {**PATIENCE, "deploy": deploy, "edge": {"hold_timeout_s": HOLD_S}}
    with running_service(program=program, tables=tables) as service:
        yield service


@pytest.fixture
def service(running: Service) -> Iterator[Service]:
    """Only the active worker runs; and the clock is right before a test and after it."""
    begin_anew(running)
    yield running
    set_clock(running, 0.0)
    behave(running)


def test_a_bake_goes_on(service: Service, jump_s: float) -> None:
    """It is neither over at once nor without an end; history has what it took by the clock on the wall."""
    with steady_traffic(service.url, clients=4) as traffic, service.watching("deploy") as events:
        passed(events, "bake", "running")
        set_clock(service, jump_s)
        *_, finished = events
        traffic.goes_on()

    assert finished["outcome"] == "succeeded", finished
    bake = next(step for step in finished["steps"] if step["name"] == "bake")
    assert BAKE_S <= bake["seconds"] < LONG_S
    assert_sane(service.history()[0])


def test_a_request_is_held_as_long_as_ever(service: Service, jump_s: float) -> None:
    """And sent away then."""
    assert service.ctl("pause").code == 0
    set_clock(service, jump_s)
    began = time.monotonic()
    answer = service.chat("Hello!")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "paused")
    assert HOLD_S <= time.monotonic() - began < LONG_S
    assert service.ctl("resume").code == 0
    assert service.chat("Hello!").is_success


def test_a_restart_comes_as_soon_as_ever(service: Service, jump_s: float) -> None:
    """The clock is set while the active worker's next start is waited for."""
    color = active(service.settled())
    behave(service, **{color: {"dies_before_ready": True}})
    kill(service.status().workers[color].pid)
    service.sees(lambda s: s.workers[color].restarts >= 2, "it crashed again")
    set_clock(service, jump_s)
    behave(service)
    began = time.monotonic()
    settled = service.settled()
    assert settled.active == color and time.monotonic() - began < LONG_S
    assert service.chat("Hello!").is_success


def test_the_next_supervisor_knows_the_processes(service: Service, jump_s: float) -> None:
    """They were started before the jump, and it comes after it: it adopts them all, and a deployment is sound."""
    service.does("start", active(service.settled()).other)
    before = service.settled()
    with steady_traffic(service.url, clients=4) as traffic:
        set_clock(service, jump_s)
        service.kill_supervisor()
        after = service.up()
        traffic.goes_on()
        assert pids(after) == pids(before) and after.edge.pid == before.edge.pid
        assert service.ctl("swap").code == 0
        traffic.goes_on()
    swapped = service.history()[0]
    assert_sane(swapped)
    assert moment(swapped.started_at) - time.time() == pytest.approx(jump_s, abs=LONG_S), "the clock was not set"
    assert not contradictions(service, service.settled())


def test_a_supervisor_that_dies_during_the_jump(service: Service, jump_s: float) -> None:
    """What it began is ended by the next one, at no time before its beginning."""
    before = service.settled()
    with service.watching("deploy") as events:
        passed(events, "bake", "running")
        set_clock(service, jump_s)
        service.kill_supervisor()
    after = service.up()
    assert after.active == active(before).other
    recorded = service.history()[0]
    assert recorded.outcome == "succeeded"
    assert moment(recorded.finished_at) >= moment(recorded.started_at)
    assert not contradictions(service, after)


def assert_sane(recorded: DeploymentStatus) -> None:
    """Its seconds are those that passed, in all and for each step, and its end comes so long after its beginning."""
    assert recorded.outcome == "succeeded" and recorded.seconds is not None and 0 < recorded.seconds < LONG_S
    assert moment(recorded.finished_at) - moment(recorded.started_at) == pytest.approx(recorded.seconds, abs=0.01)
    seconds = [step.seconds for step in recorded.steps]
    assert all(0 <= each < LONG_S for each in seconds if each is not None), seconds


def set_clock(service: Service, ahead_s: float) -> None:
    beside = service.folder / f"{service_with_clock.AHEAD}.new"
    beside.write_text(str(ahead_s))
    beside.replace(service.folder / service_with_clock.AHEAD)


def moment(text: str | None) -> float:
    assert text is not None
    return datetime.fromisoformat(text).timestamp()


def kill(pid: int | None) -> None:
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    until(lambda: not is_alive(pid), f"process {pid} is gone")


def pids(status: Status) -> dict[Color, int | None]:
    return {color: worker.pid for color, worker in status.workers.items()}


def active(status: Status) -> Color:
    return other(other(status.active))
