"""The waiting itself: look, tell of progress, until there is a verdict or the time is over."""

import time
from contextlib import suppress
from typing import Any, Protocol, assert_never

from modelsvc.cli import output
from modelsvc.cli.ctl.describe import under_way
from modelsvc.cli.waiting.verdict import Awaited, DeploymentFailed, Ended, Look, Serves, Undecided, judge
from supervisor.client import ABSENT, ControlClient
from supervisor.errors import DeadlineExceeded, SupervisorError
from supervisor.protocol import DeploymentStatus, ErrorType, Status

ANSWER_S = 5.0
POLL_S = 0.1
WORDS_LINES = 20


class NotUp(SupervisorError):
    """The service does not serve, and will not by itself; `type` is that of the supervisor's own exit code."""

    code = "not_up"

    def __init__(self, message: str, kind: ErrorType) -> None:
        super().__init__(message)
        self.type = kind


class Background(Protocol):
    """What has the supervisor run that is waited for, and knows what a person can do about it."""

    @property
    def awaited(self) -> Awaited: ...

    def tend(self, status: Status | None) -> None:
        """After each look, before it is judged. Raises SupervisorError where it makes no sense to go on."""
        ...

    def ended(self, status: Status | None) -> int | None:
        """As `Look.ended`."""
        ...

    def explained(self, end: Ended | DeploymentFailed) -> str:
        """With what to do, and the supervisor's last words."""
        ...

    def timed_out(self, timeout_s: float, status: Status | None) -> str:
        """After `timeout_s` nothing is decided yet."""
        ...


def until_it_serves(client: ControlClient, background: Background, timeout_s: float) -> Status:
    """Raises NotUp when it will not by itself, DeadlineExceeded when it does not within `timeout_s`."""
    deadline, told, status = time.monotonic() + timeout_s, "", None
    while time.monotonic() < deadline:
        status, latest = _ask(client, background.awaited)
        background.tend(status)
        match judge(Look(status, latest, background.ended(status)), background.awaited):
            case Serves(status=serving):
                return serving
            case Ended() | DeploymentFailed() as end:
                raise NotUp(background.explained(end), end.kind)
            case Undecided():
                told = _show_progress(status, told)
            case other:
                assert_never(other)
        time.sleep(POLL_S)
    raise DeadlineExceeded(background.timed_out(timeout_s, status))


def facts(status: Status) -> dict[str, Any]:
    """What programs are told of a service that serves."""
    return {"pid": status.pid, "active": status.active, "listen": status.edge.listen}


def _ask(client: ControlClient, awaited: Awaited) -> tuple[Status | None, DeploymentStatus | None]:
    """The status, and the deployment that began last, of whoever answers. Raises SupervisorError.

    A supervisor that is being replaced may be of another version, whose answers nobody here can read.
    """
    status = latest = None
    with suppress(*([SupervisorError] if awaited.instead_of else ABSENT)):
        status = client.status()
        latest = next(iter(client.history(1)), None)
    return status, latest


def _show_progress(status: Status | None, told: str) -> str:
    """A line when the step is another one; what was told last."""
    now = under_way(status.deployment, details=False) if status and status.deployment else told
    if now != told and not output.json_wanted():
        output.say(now)
    return now
