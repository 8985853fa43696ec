"""A release that is started ahead of time, deployed by a switch or given up, while the active worker serves on."""

import json
import os
import signal
from collections.abc import Iterator

import pytest
from disposable.processes import is_alive
from disposable.service import is_settled
from tests.support.service_fakes import begin_anew, behave, fake_service
from tests.support.service_fixture import Service, other, passed
from tests.support.service_traffic import steady_traffic

from supervisor.protocol import Color, ExitCode, Status


@pytest.fixture(scope="module")
def fakes() -> Iterator[Service]:
    with fake_service() as service:
        yield service


@pytest.fixture
def service(fakes: Service) -> Iterator[Service]:
    """Before each test all workers behave well, the standby is absent, and nothing is prewarmed."""
    begin_anew(fakes)
    assert fakes.status().prewarmed is None
    yield fakes
    behave(fakes)


@pytest.mark.parametrize("fast", [(), ("--fast",)], ids=["deploy", "fast"])
def test_what_is_prewarmed_is_deployed_by_a_switch(service: Service, fast: tuple[str, ...]) -> None:
    """Under traffic: no request fails, both keep their processes, and what was done already is skipped."""
    before = service.settled()
    old = active(before)
    with steady_traffic(service.url, clients=4) as traffic:
        assert service.ctl("prewarm", "--set", "model.slots=2").code == ExitCode.DONE
        traffic.goes_on()
        warm = service.settled()
        assert (warm.active, warm.release, pids(warm)[old]) == (old, before.release, pids(before)[old])
        assert warm.prewarmed == warm.workers[old.other].release != before.workers[old].release
        assert set(traffic.report().by_color) == {old}
        deployed = service.ctl("deploy", *fast, "--json")
        traffic.goes_on()

    after = service.settled()
    skipped = {step["name"] for step in deployed.last["steps"] if step["state"] == "skipped"}
    assert deployed.code == ExitCode.DONE and {"admit", "start_standby", "warm_up"} <= skipped
    assert (after.active, after.release and after.release.number) == (old.other, warm.prewarmed)
    assert (pids(after), after.prewarmed) == (pids(warm), None)
    assert [past.kind for past in service.history()[:2]] == ["deploy", "prewarm"]


def test_fast_is_refused_where_nothing_is_prewarmed(service: Service) -> None:
    """Also where a standby is warm that nobody prewarmed. Nothing changes, and the command to type is named."""
    before = service.settled()
    service.does("start", active(before).other)
    refused = service.ctl("deploy", "--fast")
    assert refused.code == ExitCode.REFUSED
    assert "nothing is prewarmed; run `modelsvc ctl prewarm` first" in refused.err
    after = service.settled()
    assert (after.active, after.release) == (before.active, before.release)


def test_status_tells_what_is_prewarmed(service: Service) -> None:
    """Nothing, then the one that is loading, then the one that is ready."""
    old = active(service.settled())
    assert told(service) == (None, None)
    behave(service, **{old.other: {"never_ready": True}})
    with service.watching("prewarm") as events:
        passed(events, "await_ready", "running")
        assert told(service) == (None, "prewarm")
        behave(service)
        *_, finished = events
    assert told(service) == (finished["release"], None)
    assert str(finished["release"]) in service.ctl("prewarm", "--status").out


def test_prewarming_is_cancelled_under_way(service: Service) -> None:
    """Both commands end, the loading worker as well; and the next prewarming succeeds."""
    before = service.settled()
    old = active(before)
    behave(service, **{old.other: {"never_ready": True}})
    with steady_traffic(service.url, clients=4) as traffic, service.watching("prewarm") as events:
        passed(events, "await_ready", "running")
        (loading,) = {*service.worker_pids()} - {pids(before)[old]}
        assert service.ctl("prewarm", "--cancel").code == ExitCode.DONE
        *_, finished = events
        traffic.goes_on()

    assert finished["outcome"] == "rolled_back" and "cancel" in finished["reason"], finished
    assert not is_alive(loading)
    assert_untouched(service, before)
    behave(service)
    assert service.ctl("prewarm").code == ExitCode.DONE


def test_what_is_prewarmed_is_cancelled_by_its_end(service: Service) -> None:
    """Then there is nothing to deploy fast, and nothing to cancel."""
    before = service.settled()
    assert service.ctl("prewarm").code == ExitCode.DONE
    with steady_traffic(service.url, clients=4) as traffic:
        assert service.ctl("prewarm", "--cancel").code == ExitCode.DONE
        traffic.goes_on()
    assert_untouched(service, before)
    assert told(service) == (None, None)
    again = service.ctl("prewarm", "--cancel")
    assert again.code == ExitCode.REFUSED and "nothing is prewarmed" in again.err
    assert service.ctl("deploy", "--fast").code == ExitCode.REFUSED


def test_a_prewarmed_worker_that_was_killed_is_prewarmed_again(service: Service) -> None:
    """By the machine, for want of memory, say. Under traffic, which does not notice."""
    before = service.settled()
    assert service.ctl("prewarm", "--set", "model.slots=2").code == ExitCode.DONE
    warm = service.settled()
    killed = pids(warm)[active(warm).other]
    assert killed
    with steady_traffic(service.url, clients=4) as traffic:
        os.kill(killed, signal.SIGKILL)
        back = service.sees(
            lambda s: is_settled(s) and s.prewarmed and pids(s)[active(s).other] != killed, "it is warm again"
        )
        traffic.goes_on()
    assert (back.prewarmed, back.active, pids(back)[active(before)]) == (
        warm.prewarmed,
        before.active,
        pids(before)[active(before)],
    )
    assert [(past.kind, past.release) for past in service.history()[:2]] == [("prewarm", warm.prewarmed)] * 2
    assert service.ctl("deploy", "--fast").code == ExitCode.DONE
    deployed = service.settled()
    assert deployed.release and deployed.release.number == warm.prewarmed


def test_a_prewarmed_worker_that_does_not_come_back_is_not_deployed_to(service: Service) -> None:
    """That is told; fast is refused; an ordinary deployment starts a new one."""
    before = service.settled()
    assert service.ctl("prewarm").code == ExitCode.DONE
    standby = active(before).other
    behave(service, **{standby: {"hangs": True, "dies_before_ready": True}})
    service.sees(lambda s: s.prewarm_lost, "what hangs is ended, and does not come back")
    behave(service)
    assert f"release {service.history()[0].release} is not prewarmed any more" in service.said()
    for told in (service.ctl("status").out, service.ctl("prewarm", "--status").out):
        assert "not prewarmed any more" in told and "`modelsvc ctl prewarm` does it again" in told
    refused = service.ctl("deploy", "--fast")
    assert refused.code == ExitCode.REFUSED and "nothing is prewarmed" in refused.err
    assert service.ctl("deploy").code == ExitCode.DONE
    assert service.settled().active == active(before).other


def test_what_is_prewarmed_outlives_the_supervisor(service: Service) -> None:
    """The next one adopts it, knows what it is for, and deploys it."""
    assert service.ctl("prewarm", "--set", "model.slots=3").code == ExitCode.DONE
    before = service.settled()
    with steady_traffic(service.url, clients=4) as traffic:
        service.kill_supervisor()
        service.launch()
        after = service.sees(is_settled, "it is up")
        assert (pids(after), after.prewarmed, after.active) == (pids(before), before.prewarmed, before.active)
        assert service.ctl("deploy", "--fast").code == ExitCode.DONE
        traffic.goes_on()
    deployed = service.settled()
    assert (deployed.active, pids(deployed)) == (active(before).other, pids(before))
    assert deployed.release and deployed.release.number == before.prewarmed


def told(service: Service) -> tuple[int | None, str | None]:
    """The release that is prewarmed, and what is under way."""
    ran = service.ctl("prewarm", "--status", "--json")
    assert ran.code == ExitCode.DONE
    status = json.loads(ran.out)
    return status["prewarmed"], status["deployment"] and status["deployment"]["kind"]


def assert_untouched(service: Service, before: Status) -> None:
    after = service.settled()
    old = active(before)
    assert (after.active, after.release, pids(after)) == (
        old,
        before.release,
        {old: pids(before)[old], old.other: None},
    )
    assert after.workers[old.other].state == "absent"


def pids(status: Status) -> dict[Color, int | None]:
    return {color: worker.pid for color, worker in status.workers.items()}


def active(status: Status) -> Color:
    return other(other(status.active))
