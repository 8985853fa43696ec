"""The ledger in a real service: plans, refusals, accounts and explanations."""

import json
from collections.abc import Iterator
from typing import Any

import psutil
import pytest
from tests.support.service_fakes import begin_anew, behave, fake_service
from tests.support.service_fixture import Service, running_service

from supervisor.protocol import DeployRequest, ExitCode


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with running_service(tables={"memory": {"budget_gb": 1.0, "worker_limit_gb": 0.9}}) as service:
        yield service


@pytest.fixture(scope="module")
def fakes() -> Iterator[Service]:
    with fake_service() as service:
        yield service


def world(service: Service) -> tuple[Any, ...]:
    """All that a plan might change."""
    releases = sorted((path.name, path.read_bytes()) for path in service.state.releases.iterdir())
    return service.history(), releases, sorted(service.worker_pids()), service.status().release, service.routes_to()


def test_a_plan_changes_nothing(service: Service) -> None:
    """Admitted or refused: no release, no deployment, no process; the exit code tells which."""
    before = world(service)
    fits = service.ctl("deploy", "--plan", "--set", "model.context_tokens=2048")
    does_not = service.ctl("deploy", "--plan", "--set", "model.context_tokens=1000000")
    wrong = service.ctl("deploy", "--plan", "--set", "model.kv_cache=f64")

    assert world(service) == before
    assert (fits.code, does_not.code, wrong.code) == (ExitCode.DONE, ExitCode.REFUSED, ExitCode.MISUSE)
    assert "context_tokens: 1024 -> 2048" in fits.out
    assert "it would be admitted; nothing was changed" in fits.out


def test_a_refusal_says_what_its_plan_said_and_shows_the_table(service: Service) -> None:
    """Exit code 4, nothing changed, and the account that adds up as evidence."""
    asked = ("--set", "model.context_tokens=1000000")
    plan = service.ctl("deploy", "--plan", "--json", *asked)
    refused = service.ctl("deploy", *asked)
    recorded = service.history()[0]
    account = next(step.evidence["account"] for step in recorded.steps if step.name == "admit")

    assert refused.code == plan.code == ExitCode.REFUSED
    assert plan.last["reason"].splitlines()[0].split(":")[0] in refused.err
    assert ["short", "of"] in [line.split()[:2] for line in refused.err.splitlines()]
    assert account["short_bytes"] > 0
    assert sum(row["bytes"] for row in account["rows"]) == account["sum_bytes"]
    assert (recorded.outcome, recorded.release) == ("refused", None)
    told = service.ctl("explain", str(recorded.deployment)).out
    assert "none was made" in told and "next: " in told and "short of" in told


def test_the_account_has_every_process_and_each_file_once(service: Service) -> None:
    """Supervisor and nginx too; what is used is the sum of it."""
    service.does("deploy", _request())  # so that both colours run
    memory = service.client.memory()
    by_name = {process.who: process for process in memory.processes}

    assert set(by_name) == {"supervisor", "edge", "blue", "green"}
    assert service.process is not None and by_name["supervisor"].pids == [service.process.pid]
    assert len(by_name["edge"].pids) >= 2
    assert {pid for color in ("blue", "green") for pid in by_name[color].pids} == set(service.worker_pids())
    assert [(model.name, sorted(model.mapped_by)) for model in memory.models] == [("demo.gguf", ["blue", "green"])]
    assert memory.used_bytes == sum(each.private_bytes for each in memory.processes) + memory.shared_bytes
    assert all((process.pss_bytes is not None) is psutil.LINUX for process in memory.processes)
    assert memory.forecast is not None and memory.observations
    shown = service.ctl("memory")
    assert shown.code == 0 and "mapped by" in shown.out
    assert json.loads(service.ctl("memory", "--json").out)["budget_bytes"] == 10**9


def test_a_deployment_is_explained_with_what_it_found(service: Service) -> None:
    """From what was asked to the requests it saw; the second forecast rests on what the first measured."""
    for _ in range(2):
        service.does("deploy", _request(slots=2))
    assert service.chat("Hello.").status_code == 200
    recorded = service.history()[0]
    evidence = {step.name: step.evidence for step in recorded.steps}
    sharing, forecast = evidence["warm_up"]["sharing"], evidence["admit"]["forecast"]

    assert evidence["admit"]["model"]["sha256"] == service.status().release.model_sha256  # type: ignore[union-attr]
    assert sharing["mapped_bytes"] > 10**6 and not sharing["repacked"] and sharing["shared_with"]
    assert evidence["drain"]["left"] == ""
    assert evidence["record"]["requests"] == {"during": 0, "failed": 0, "reason": ""}
    if psutil.LINUX:
        assert forecast["basis"].startswith("same model and settings")
        assert abs(sharing["private_bytes"] - forecast["private_bytes"]) < 0.1 * sharing["private_bytes"]
        assert sharing["resident_of_file_bytes"] > 10**6
        assert sharing["private_copies_of_file_bytes"] == 0
    told = service.ctl("explain", str(recorded.deployment)).out
    for fact in ("slots = 2", "demo.gguf", "sha256", "forecast", "0 failed", "13/13"):
        assert fact in told
    newest = service.ctl("history", "--limit", "1").out.splitlines()[1].split()
    assert newest[6:8] == ["succeeded", "0"]


def test_what_is_no_deployment_cannot_be_explained(service: Service) -> None:
    """Misuse, with where to look."""
    ran = service.ctl("explain", "4711")
    assert ran.code == ExitCode.MISUSE
    assert "there is no deployment 4711" in ran.err


@pytest.mark.skipif(not psutil.LINUX, reason="private bytes are told apart from mapped ones on Linux only")
def test_a_worker_with_far_more_of_its_own_than_forecast_is_not_switched_to(fakes: Service) -> None:
    """It fails in step 6, with the numbers, and the old one goes on."""
    begin_anew(fakes)
    standby = fakes.settled().active.other  # type: ignore[union-attr]
    behave(fakes, **{standby: {"grows_mb": 200}})
    ran = fakes.ctl("deploy", "--json")
    failed = next(step for step in ran.last["steps"] if step["state"] == "failed")

    assert (ran.code, failed["name"]) == (ExitCode.FAILED, "warm_up")
    assert "of its own, and" in failed["detail"] and "were forecast" in failed["detail"]
    assert fakes.settled().active != standby


def test_requests_during_a_deployment_are_counted(fakes: Service) -> None:
    """Those of clients, and not the supervisor's own."""
    begin_anew(fakes)
    standby = fakes.settled().active.other  # type: ignore[union-attr]
    behave(fakes, **{standby: {"ready_after_s": 1.0}})
    with fakes.watching("deploy") as events:
        for event in events:
            if event["event"] == "step" and begins(event["step"]):
                for _ in range(3):
                    assert fakes.chat("Hello.").status_code == 200
    counted = next(step.evidence for step in fakes.history()[0].steps if step.name == "record")

    assert counted["requests"] == {"during": 3, "failed": 0, "reason": ""}


def begins(step: dict[str, Any]) -> bool:
    """The standby was started, and is not ready yet."""
    return (step["name"], step["state"]) == ("start_standby", "done")


def _request(**settings: Any) -> DeployRequest:
    return DeployRequest(settings={f"model.{key}": value for key, value in settings.items()})
