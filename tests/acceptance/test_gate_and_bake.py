"""A release that answers wrongly never serves; one that proves worse after the switch is switched back at once."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import tomli_w
from loadtest.traffic import Traffic
from tests.support.exposition import Exposition
from tests.support.service_fakes import begin_anew, behave, fake_service
from tests.support.service_fixture import Service, passed
from tests.support.service_traffic import SteadyTraffic, steady_traffic

from supervisor.protocol import Color

BAKE_S = 20.0  # a breach ends it long before


@pytest.fixture(scope="module")
def fakes() -> Iterator[Service]:
    with fake_service(bake_s=BAKE_S) as service:
        yield service


@pytest.fixture
def service(fakes: Service) -> Iterator[Service]:
    """Before each test all workers behave well, the standby is absent, and there is no gate."""
    begin_anew(fakes)
    configure(fakes)
    yield fakes
    behave(fakes)


def configure(service: Service, *gate: dict[str, Any]) -> None:
    """The gate that the next deployment finds in the configuration."""
    service.config.write_text(tomli_w.dumps({**service.tables, "gate": list(gate)}))


def active(service: Service) -> Color:
    color = service.settled().active
    assert color is not None
    return color


def breaches_of(service: Service, kind: str) -> float:
    url = f"http://{service.tables['control']['metrics_listen']}/metrics"
    return Exposition(httpx.get(url, trust_env=False).text)["modelsvc_bake_breaches_total", kind]


@pytest.mark.parametrize(
    ("behaviour", "kind", "reason"),
    [
        ({"refuses_chat": True}, "errors", "requests failed since the switch"),
        ({"chat_s": 0.6}, "latency", "first token: median"),
        ({"stops_decoding": True}, "stall", "no decode progress for"),
    ],
    ids=["errors", "slow answers", "hanging decode"],
)
def test_a_breach_in_the_bake_switches_back_at_once(
    service: Service, behaviour: dict[str, Any], kind: str, reason: str
) -> None:
    """Readiness alone would not tell. What comes after the switch back is answered by the old colour."""
    old, breaches = active(service), breaches_of(service, kind)
    worse = SteadyTraffic(Traffic(service.url, 8, think_s=0.05))
    worse.start()
    with service.watching("deploy") as events:
        passed(events, "bake", "running")
        behave(service, **{old.other: behaviour})
        passed(events, "bake", "failed")
        behave(service)  # for what hangs still
        *_, finished = events
    worse.stop()
    assert (finished["outcome"], finished["active"]) == ("rolled_back", old), finished
    assert reason in finished["reason"]
    assert next(found["seconds"] for found in finished["steps"] if found["name"] == "bake") < BAKE_S / 2
    assert breaches_of(service, kind) == breaches + 1
    with steady_traffic(service.url) as after:
        after.goes_on()
    assert set(after.report().by_color) == {old}


@pytest.mark.parametrize(
    ("check", "behaviour", "reason"),
    [
        ({"expect": "Paris"}, {}, "expected 'Paris' in the answer; got 'I am no model.'"),
        ({"pattern": "^Paris"}, {}, "expected a match of '^Paris'"),
        ({"same_as_active": True}, {"says": "Something else."}, "expected the active worker's answer 'I am no model.'"),
        ({"min_tokens_per_second": 50.0}, {}, "expected 50 tokens a second at least, it made 20.00"),
    ],
    ids=lambda value: next(iter(value), "") if isinstance(value, dict) else "",
)
def test_a_failed_gate_fails_the_deployment_before_the_switch(
    service: Service, check: dict[str, Any], behaviour: dict[str, Any], reason: str
) -> None:
    """With prompt, what was expected and what came; the gate is read anew for each deployment."""
    old = active(service)
    configure(service, {"prompt": "The capital of France?", **check})
    behave(service, **{old.other: behaviour})
    with steady_traffic(service.url, clients=4) as traffic:
        ran = service.ctl("deploy", "--json")
    assert (ran.code, ran.last["outcome"]) == (1, "rolled_back"), ran
    assert "gate 'The capital of France?'" in ran.last["reason"] and reason in ran.last["reason"]
    assert [found["name"] for found in ran.last["steps"] if found["state"] == "failed"] == ["warm_up"]
    assert set(traffic.report().by_color) == {old}


def test_a_passed_gate_lets_the_deployment_go_on(service: Service) -> None:
    """All kinds of checks at once."""
    check = {"prompt": "Who?", "expect": "no model", "pattern": r"\bno\b", "same_as_active": True}
    configure(service, {**check, "max_first_token_s": 1.0, "min_tokens_per_second": 5.0})
    with service.watching("deploy") as events:
        passed(events, "bake", "running")
        behave(service, **{active_target(service): {"not_ready_any_more": True}})  # or the bake would take its time
        *_, finished = events
    warm_up = next(found for found in finished["steps"] if found["name"] == "warm_up")
    assert warm_up["detail"].endswith("; 1 gate prompt(s) passed")


def active_target(service: Service) -> Color:
    deployment = service.status().deployment
    assert deployment is not None
    return deployment.to_color
