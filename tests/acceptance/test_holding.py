"""How long requests are held, and how many: then they are sent away with 503 and the time to come back."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import httpx
import pytest
from tests.support.service_fakes import fake_service
from tests.support.service_fixture import Service

TIMEOUT_S, LIMIT = 3.0, 2


@dataclass(frozen=True)
class Answer:
    response: httpx.Response
    seconds: float

    @property
    def refused(self) -> tuple[int, str, str]:
        told = self.response
        return told.status_code, told.json()["error"]["code"], told.headers["retry-after"]


@pytest.fixture(scope="module")
def fakes() -> Iterator[Service]:
    with fake_service(edge={"hold_timeout_s": TIMEOUT_S, "hold_limit": LIMIT}) as service:
        yield service


@pytest.fixture
def paused(fakes: Service) -> Iterator[Service]:
    assert fakes.ctl("pause").code == 0
    yield fakes
    assert fakes.ctl("resume").code == 0
    assert fakes.settled().edge.waiting == 0 and fakes.chat("Hello!").is_success


@pytest.fixture
def asking() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(LIMIT + 1) as pool:
        yield pool


def test_a_request_is_held_for_so_long_only(paused: Service) -> None:
    """Then it is told that an operator holds it and when to come back, and counted; health questions at once."""
    before = paused.status().edge.given_up
    answer = ask(paused)
    assert answer.refused == (503, "paused", "30")
    assert TIMEOUT_S <= answer.seconds < TIMEOUT_S + 2
    assert paused.status().edge.given_up == before + 1
    health = paused.run("health")
    assert health.code == 1 and "requests are held by an operator" in health.out


def test_a_resume_in_time_answers(paused: Service, asking: ThreadPoolExecutor) -> None:
    """The control case: the same request, and the same time to wait at most."""
    waiting = asking.submit(ask, paused)
    paused.sees(lambda s: s.edge.waiting == 1, "it waits")
    assert paused.ctl("resume").code == 0
    assert waiting.result().response.is_success and waiting.result().seconds < TIMEOUT_S


def test_one_more_than_may_wait_is_sent_away_at_once(paused: Service, asking: ThreadPoolExecutor) -> None:
    """Those who wait are not touched by it."""
    waiting = [asking.submit(ask, paused) for _ in range(LIMIT)]
    paused.sees(lambda s: s.edge.waiting == LIMIT, "as many wait as may")
    answer = ask(paused)
    assert answer.refused == (503, "hold_full", "1") and answer.seconds < 1
    assert paused.status().edge.waiting == LIMIT
    assert paused.ctl("resume").code == 0
    assert [each.result().response.status_code for each in waiting] == [200] * LIMIT


def ask(service: Service) -> Answer:
    began = time.monotonic()
    response = service.chat("Hello!")
    return Answer(response, time.monotonic() - began)
