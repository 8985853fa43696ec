"""Whether what was started serves, will not by itself, or is to be waited for. Pure: a look in, a verdict out."""

from dataclasses import dataclass
from datetime import datetime

from modelsvc.cli.ctl.describe import not_serving
from supervisor.protocol import DeploymentStatus, ErrorType, ExitCode, Outcome, Outlook, Status

ENDED_WELL = (None, Outcome.SUCCEEDED)


@dataclass(frozen=True, slots=True)
class Awaited:
    """What is waited for. Deployments count from `since` on, None: not at all; `instead_of` is a pid to be replaced."""

    since: datetime | None = None
    instead_of: int | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """What is to be seen at one moment.

    `status` is None where no supervisor answers; `latest` is the deployment that began last. `ended` is how the
    supervisor's process ended, -N by signal N, and None while it lives, or is being started or replaced as asked.
    """

    status: Status | None = None
    latest: DeploymentStatus | None = None
    ended: int | None = None


@dataclass(frozen=True, slots=True)
class Serves:
    """A colour serves, or would if an operator did not have requests held."""

    status: Status


@dataclass(frozen=True, slots=True)
class Undecided:
    """To be waited for."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The supervisor's process ended, with `exit_code` as in `Look.ended`."""

    exit_code: int

    @property
    def how(self) -> str:
        return f"signal {-self.exit_code}" if self.exit_code < 0 else f"exit code {self.exit_code}"

    @property
    def kind(self) -> ErrorType:
        """What kind of error the code tells."""
        kinds: dict[int, ErrorType] = {
            ExitCode.MISUSE: "invalid_request",
            ExitCode.REFUSED: "refused",
            ExitCode.TIMED_OUT: "timed_out",
        }
        return kinds.get(self.exit_code, "failed")


@dataclass(frozen=True, slots=True)
class DeploymentFailed:
    """The first deployment came to nothing. The supervisor may try it again, but nobody should wait for that."""

    what: str
    kind: ErrorType
    tried_again: bool = True

    def explained(self, ctl: str) -> str:
        """With what the supervisor does now, and a person can do; `ctl` is the command that asks it."""
        if self.tried_again:
            then = "and tries it again in the background"
        else:
            then = (
                "and does not try that again by itself: mend what is wrong, and run"
                f" `{ctl} deploy`, or edit the configuration where [watch] is enabled"
            )
        return f"{self.what}; the supervisor goes on running, {then}; `{ctl} explain` tells more"


Verdict = Serves | Undecided | Ended | DeploymentFailed


def judge(look: Look, awaited: Awaited) -> Verdict:
    """The supervisor that is being replaced counts for nothing, whatever it does."""
    status = look.status
    if status is not None and status.pid != awaited.instead_of:
        if is_up(status):
            return Serves(status)
        if failed := _first_failed(status, look.latest, awaited.since):
            return failed
    return Undecided() if look.ended is None else Ended(look.ended)


def is_up(status: Status) -> bool:
    """A colour serves, or would if an operator did not have requests held."""
    return not not_serving(status) or (status.edge.paused and status.deployment is None)


def _first_failed(status: Status, latest: DeploymentStatus | None, since: datetime | None) -> DeploymentFailed | None:
    """A status from before the end does not tell yet what the supervisor makes of it.

    A deployment of before the command counts where the supervisor has given up: no other one will begin.
    """
    if latest is None or since is None or latest.outcome in ENDED_WELL:
        return None
    if status.deployment and status.deployment.deployment == latest.deployment:
        return None
    given_up = status.outlook is Outlook.GONE
    if not given_up and datetime.fromisoformat(latest.started_at) < since:
        return None
    kind: ErrorType = "refused" if latest.outcome is Outcome.REFUSED else "failed"
    what = f"deployment {latest.deployment} came to nothing: {latest.reason}"
    return DeploymentFailed(what, kind, tried_again=status.outlook is not Outlook.GONE)
