"""Memory for one worker only: a deployment in place makes room, requests wait meanwhile, and none fails."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from disposable.processes import is_alive
from tests.acceptance.fault_matrix import RUNNER
from tests.support import service_models as models
from tests.support.service_fixture import Service, other, running_service
from tests.support.service_traffic import plain_traffic, steady_traffic
from tests.support.service_truth import contradictions
from tests.support.service_with_faults import ARMED, Victim

from supervisor.core.steps import Step
from supervisor.protocol import ExitCode, Status

# The KV cache makes a worker large beside what a supervisor and an nginx need: 260 MB at most, of 380.
TABLES = {"model": {"context_tokens": 131_072}, "memory": {"budget_gb": 0.38}}


@pytest.fixture(scope="module")
def running() -> Iterator[Service]:
    with running_service(program=(sys.executable, str(RUNNER)), tables=TABLES) as service:
        yield service


@pytest.fixture
def service(running: Service) -> Service:
    """One worker serves, and the other colour is absent: two do not fit."""
    status = running.settled()
    assert status.workers[other(status.active)].state == "absent"
    return running


def test_two_that_do_not_fit_are_refused_with_the_account(service: Service) -> None:
    """Nothing is touched; a plan in place says that it would be admitted."""
    before = service.settled()
    refused = service.ctl("deploy")
    words = [line.split()[:2] for line in refused.err.splitlines()]

    assert refused.code == ExitCode.REFUSED
    assert ["short", "of"] in words and [str(before.active)] in [word[:1] for word in words]
    assert "--in-place" in refused.err
    assert service.ctl("deploy", "--plan", "--in-place").code == ExitCode.DONE
    assert served(service.settled()) == served(before)


def test_in_place_it_is_done_while_requests_wait(service: Service) -> None:
    """The old worker is gone before the new one starts; plain requests and streams are all answered."""
    before = service.settled()
    old, held = before.active, before.edge.replayed
    with steady_traffic(service.url, clients=4) as traffic:
        ran = service.ctl("deploy", "--in-place", "--json")
        traffic.goes_on()

    after = service.settled()
    assert (ran.code, after.active) == (ExitCode.DONE, other(old))
    assert after.workers[other(after.active)].state == "absent"
    assert not is_alive(pid_of(before))
    assert after.edge.replayed > held and set(traffic.report().by_color) == {old, after.active}
    assert after.edge.given_up == before.edge.given_up
    assert after.memory.used_bytes < after.memory.budget_bytes
    assert not contradictions(service, after)


def test_the_old_worker_is_not_started_beside_the_new_one(service: Service) -> None:
    """Two do not fit, whoever asks for the second: it is refused with the account, and nothing is started."""
    before = service.settled()
    refused = service.ctl("start", other(before.active))
    words = [line.split()[:2] for line in refused.err.splitlines()]

    assert refused.code == ExitCode.REFUSED
    assert ["short", "of"] in words
    after = service.settled()
    assert served(after) == served(before) and after.workers[other(before.active)].state == "absent"
    assert not contradictions(service, after)


def test_what_does_not_load_gives_way_to_the_old_release(service: Service, tmp_path: Path) -> None:
    """It passes the inspection, and its room was made already: requests wait until the old release is back."""
    before = service.settled()
    broken = tmp_path / "broken.gguf"
    models.tensor_missing(broken)
    with plain_traffic(service.url) as traffic:
        ran = service.ctl("deploy", "--in-place", "--model", broken, "--json")
        traffic.goes_on()

    after = service.settled()
    assert (ran.code, ran.last["outcome"]) == (ExitCode.FAILED, "rolled_back")
    assert [step["name"] for step in ran.last["steps"] if step["state"] == "failed"] == ["await_ready"]
    assert (after.active, after.release) == (before.active, before.release)
    assert pid_of(after) != pid_of(before), "the old worker made room"
    assert after.edge.replayed > before.edge.replayed
    assert after.edge.given_up == before.edge.given_up
    assert not contradictions(service, after)


def test_a_supervisor_that_dies_meanwhile_finds_back(service: Service) -> None:
    """With the old worker gone and the new one loading: the next supervisor serves the old release again."""
    before = service.settled()
    armed = service.folder / ARMED
    armed.write_text(json.dumps({"victim": Victim.SUPERVISOR, "step": Step.AWAIT_READY}))
    with service.watching("deploy", "--in-place"):
        service.exit_code()
    assert not is_alive(pid_of(before)) and service.worker_pids()
    answer = service.chat("Hello!")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "supervisor_away")

    after = service.up()
    assert (service.history()[0].kind, service.history()[0].outcome) == ("deploy", "succeeded")
    interrupted = next(past for past in service.history() if past.outcome != "succeeded")
    assert (interrupted.outcome, interrupted.reason) == ("rolled_back", "the supervisor ended during the deployment")
    assert after.release == before.release
    assert service.chat("Hello!").is_success
    assert not contradictions(service, after)


def served(status: Status) -> tuple[object, ...]:
    return status.active, status.release, {color: worker.pid for color, worker in status.workers.items()}


def pid_of(status: Status) -> int:
    """That of the active worker."""
    pid = status.workers[other(other(status.active))].pid
    assert pid is not None
    return pid
