"""Workers whose memory grows while they serve: replaced in time, killed when there is none left, and nobody notices."""

from collections.abc import Iterator

import psutil
import pytest
from disposable.processes import is_alive
from disposable.service import is_settled
from tests.support.service_fakes import begin_anew, behave, fake_service
from tests.support.service_fixture import Service, other
from tests.support.service_traffic import plain_traffic, steady_traffic

from supervisor.protocol import Color, Status

LIMIT_MB = 100
OVER = {"grows_mb": 100}  # besides what Python needs, some 15 MB
FAR_OVER = {"grows_mb": 200}  # half as much again would be over 150 MB

pytestmark = pytest.mark.skipif(not psutil.LINUX, reason="private bytes are told apart from mapped ones on Linux only")


@pytest.fixture(scope="module")
def fakes() -> Iterator[Service]:
    with fake_service(memory={"worker_limit_gb": LIMIT_MB / 1000}) as service:
        yield service


@pytest.fixture
def service(fakes: Service) -> Iterator[Service]:
    begin_anew(fakes)
    yield fakes
    behave(fakes)


def test_an_active_worker_over_its_limit_is_replaced(service: Service) -> None:
    """By a deployment of its own release that nobody asked for, with a warning; streams are not cut either."""
    before = service.settled()
    old = active(before)
    behave(service, **{old: OVER})
    with steady_traffic(service.url, clients=4) as traffic:
        after = service.sees(lambda s: is_settled(s) and s.active == old.other, "it is replaced")
        traffic.goes_on()

    recorded = service.history()[0]
    assert (recorded.kind, recorded.outcome) == ("replace", "succeeded")
    assert (recorded.from_color, recorded.to_color) == (old, old.other)
    assert after.release == before.release
    assert f"modelsvc: the {old} worker is replaced: it holds " in service.said()
    assert f"memory.worker_limit_gb allows {LIMIT_MB} MB" in service.said()


def test_a_standby_over_its_limit_is_ended(service: Service) -> None:
    """Nobody misses it: the active worker and the route are as they were."""
    before = service.settled()
    standby = active(before).other
    service.does("start", standby)
    behave(service, **{standby: OVER})
    after = service.sees(lambda s: s.workers[standby].state == "absent", "the standby is ended")
    assert (after.active, pid(after, active(after))) == (before.active, pid(before, active(before)))
    assert after.deployment is None and service.chat("Hello!").is_success


def test_an_active_worker_far_over_its_limit_is_killed_and_restarted(service: Service) -> None:
    """No time is left for a replacement. Plain requests wait for the next worker."""
    before = service.settled()
    old, count = active(before), len(service.history())
    with plain_traffic(service.url) as traffic:
        behave(service, **{old: FAR_OVER})
        service.sees(lambda s: not is_alive(pid(before, old)), "it is killed")
        behave(service)
        after = service.settled()
        traffic.goes_on()

    assert (after.active, after.release) == (old, before.release)
    assert after.workers[old].restarts >= 1 and pid(after, old) != pid(before, old)
    assert killed(after, old)
    assert len(service.history()) == count, "it was no deployment"


def test_a_warm_standby_takes_over_from_one_far_over_its_limit(service: Service) -> None:
    before = service.settled()
    old = active(before)
    service.does("start", old.other)
    with plain_traffic(service.url) as traffic:
        behave(service, **{old: FAR_OVER})
        service.sees(lambda s: not is_alive(pid(before, old)), "it is killed")
        behave(service)
        after = service.sees(lambda s: is_settled(s) and s.active == old.other, "the standby took over")
        traffic.goes_on()
    assert service.history()[0].kind == "failover"
    assert killed(after, old)


def killed(status: Status, color: Color) -> bool:
    exit_ = status.workers[color].last_exit
    return exit_ is not None and exit_.signal == "SIGKILL"


def pid(status: Status, color: Color) -> int:
    found = status.workers[color].pid
    assert found is not None
    return found


def active(status: Status) -> Color:
    return other(other(status.active))
