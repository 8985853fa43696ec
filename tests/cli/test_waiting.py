"""What a command that waits for the service makes of one look at it."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.cli.samples import PAST, STATUS
from tests.cli.scripted import Answer, Script

from modelsvc.cli.waiting.verdict import Awaited, DeploymentFailed, Ended, Look, Serves, Undecided, judge
from modelsvc.cli.waiting.wait import until_it_serves
from supervisor.client import ControlClient
from supervisor.errors import SupervisorError
from supervisor.protocol import DeploymentStatus, Outcome, Outlook, Status

BEGUN = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
SERVING = msgspec.structs.replace(STATUS, deployment=None)
NOBODY = msgspec.structs.replace(STATUS, active=None, deployment=None)
AWAITED = Awaited(since=BEGUN)


def deployment(outcome: Outcome | None, began: datetime = BEGUN) -> DeploymentStatus:
    changes: dict[str, Any] = {"outcome": outcome, "reason": "no room", "started_at": began.isoformat()}
    return msgspec.structs.replace(PAST, **changes)


def edge(status: Status, **changes: Any) -> Status:
    return msgspec.structs.replace(status, edge=msgspec.structs.replace(status.edge, **changes))


def test_a_colour_that_serves_ends_the_waiting() -> None:
    """Whatever a deployment before it came to."""
    assert judge(Look(SERVING, deployment(Outcome.FAILED)), AWAITED) == Serves(SERVING)


def test_requests_that_an_operator_holds_are_not_waited_for() -> None:
    """Nobody but the operator ends that; while something is deployed it may be the deployment that holds them."""
    held = edge(SERVING, paused=True)
    assert judge(Look(held), AWAITED) == Serves(held)
    assert judge(Look(edge(STATUS, paused=True)), AWAITED) == Undecided()


@pytest.mark.parametrize("status", [None, NOBODY, edge(SERVING, routes_to=None)], ids=["absent", "none", "no route"])
@pytest.mark.parametrize("latest", [None, Outcome.SUCCEEDED, "running"])
def test_what_is_under_way_is_waited_for(status: Status | None, latest: Any) -> None:
    """No answer yet, no colour yet, a deployment that runs."""
    told = latest and deployment(None if latest == "running" else latest)
    assert judge(Look(status, told), AWAITED) == Undecided()


@pytest.mark.parametrize(
    ("outcome", "kind"), [(Outcome.REFUSED, "refused"), (Outcome.FAILED, "failed"), (Outcome.ROLLED_BACK, "failed")]
)
def test_a_first_deployment_that_came_to_nothing_is_told(outcome: Outcome, kind: str) -> None:
    """With its reason; one from before does not count, nor any where nobody asked."""
    told = judge(Look(NOBODY, deployment(outcome)), AWAITED)
    assert isinstance(told, DeploymentFailed)
    assert told == DeploymentFailed(f"deployment {PAST.deployment} came to nothing: no room", kind)  # type: ignore[arg-type]
    assert "goes on running, and tries it again" in told.explained("ctl")
    earlier = deployment(outcome, BEGUN - timedelta(seconds=1))
    assert judge(Look(NOBODY, earlier), AWAITED) == Undecided()
    assert judge(Look(NOBODY, deployment(outcome)), Awaited()) == Undecided()


def test_a_first_deployment_that_is_not_tried_again_is_told_so() -> None:
    """The supervisor runs on, and nothing happens before a person does something."""
    gone = msgspec.structs.replace(NOBODY, outlook=Outlook.GONE)
    told = judge(Look(gone, deployment(Outcome.FAILED)), AWAITED)
    assert isinstance(told, DeploymentFailed) and not told.tried_again
    words = told.explained("modelsvc ctl --socket s")
    assert "goes on running, and does not try that again" in words and "`modelsvc ctl --socket s deploy`" in words


def test_one_from_before_counts_where_the_supervisor_has_given_up() -> None:
    """Whoever starts a service that runs like that would wait for nothing."""
    gone = msgspec.structs.replace(NOBODY, outlook=Outlook.GONE)
    told = judge(Look(gone, deployment(Outcome.FAILED, BEGUN - timedelta(hours=1))), AWAITED)
    assert isinstance(told, DeploymentFailed) and not told.tried_again


def test_a_status_from_before_the_end_of_the_deployment_does_not_count() -> None:
    """It says that somebody is coming: the deployment itself."""
    running = deployment(None)
    before = msgspec.structs.replace(NOBODY, deployment=running, outlook=Outlook.COMING)
    assert judge(Look(before, deployment(Outcome.FAILED)), AWAITED) == Undecided()


@pytest.mark.parametrize(
    ("code", "how", "kind"),
    [
        (0, "exit code 0", "failed"),
        (1, "exit code 1", "failed"),
        (2, "exit code 2", "invalid_request"),
        (4, "exit code 4", "refused"),
        (5, "exit code 5", "timed_out"),
        (-9, "signal 9", "failed"),
        (203, "exit code 203", "failed"),
    ],
)
def test_a_supervisor_that_ended_is_told(code: int, how: str, kind: str) -> None:
    """As what its exit code says."""
    end = judge(Look(ended=code), AWAITED)
    assert isinstance(end, Ended) and (end.how, end.kind) == (how, kind)


def test_the_supervisor_that_is_replaced_is_not_the_one() -> None:
    """It serves on until the new one has taken over."""
    replacing = replace(AWAITED, instead_of=SERVING.pid)
    assert judge(Look(SERVING, deployment(Outcome.FAILED)), replacing) == Undecided()
    assert judge(Look(None), replacing) == Undecided()
    new = msgspec.structs.replace(SERVING, pid=SERVING.pid + 1)
    assert judge(Look(new), replacing) == Serves(new)


@dataclass
class Replacing:
    """After the first look, the new supervisor is there."""

    daemon: Script
    awaited: Awaited

    def tend(self, status: Status | None) -> None:
        assert status in (None, SERVING)
        self.daemon.reply("GET /v1/status", SERVING)

    def ended(self, status: Status | None) -> None:
        return None

    def explained(self, end: object) -> str:
        return "not up"

    def timed_out(self, timeout_s: float, status: Status | None) -> str:
        return "timed out"


def test_an_older_supervisor_that_is_replaced_need_not_be_understood(daemon: Script, socket_path: Path) -> None:
    """After an upgrade its answers may be of another form; one that stays and is not understood is an error."""
    client, garbage = ControlClient(socket_path), Answer([b'{"of": "another version"}'])
    daemon.answers["GET /v1/status"] = garbage
    assert until_it_serves(client, Replacing(daemon, Awaited(instead_of=1)), 30) == SERVING
    daemon.answers["GET /v1/status"] = garbage
    with pytest.raises(SupervisorError, match="cannot be read"):
        until_it_serves(client, Replacing(daemon, Awaited()), 30)
