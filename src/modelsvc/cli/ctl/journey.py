"""What a watcher knows of an operation from the events so far. Pure: `after` folds one event in."""

from dataclasses import dataclass, field, replace
from typing import assert_never

from modelsvc.cli.ctl.describe import OVER, route
from modelsvc.cli.text import duration
from supervisor.protocol import (
    Accepted,
    ExitCode,
    Finished,
    Outcome,
    Progress,
    StepChanged,
    StepReport,
    StepState,
    StreamEvent,
)

EXIT_CODE_OF = {
    Outcome.SUCCEEDED: ExitCode.DONE,
    Outcome.ROLLED_BACK: ExitCode.FAILED,
    Outcome.FAILED: ExitCode.FAILED,
    Outcome.REFUSED: ExitCode.REFUSED,
}


@dataclass(frozen=True)
class Journey:
    """An operation such as `deploy`, as watched."""

    name: str
    accepted: Accepted | None = None
    steps: dict[int, StepReport] = field(default_factory=dict)
    progress: str = ""
    finished: Finished | None = None

    def after(self, event: StreamEvent) -> "Journey":
        match event:
            case Accepted(steps=steps):
                return replace(self, accepted=event, steps={step.number: step for step in steps})
            case StepChanged(step=step):
                return replace(self, steps={**self.steps, step.number: step}, progress="")
            case Progress(text=text):
                return replace(self, progress=text)
            case Finished():
                return replace(self, finished=event)
            case _:
                assert_never(event)

    @property
    def over(self) -> int:
        """How many steps need no more work."""
        return sum(step.state in OVER for step in self.steps.values())

    @property
    def headline(self) -> str:
        accepted = self.accepted
        if accepted is None:
            return self.name
        return f"deployment {accepted.deployment}: {route(accepted.from_color, accepted.to_color)}"

    @property
    def unwatched(self) -> str:
        """What to tell someone who stops watching before the end."""
        if self.accepted is None:
            return f"the daemon may still do what was asked ({self.name}); see `modelsvc ctl status`"
        return f"deployment {self.accepted.deployment} goes on; watch it with `modelsvc ctl status`"


def verdict(journey: Journey, finished: Finished) -> str:
    """The last line about an operation, such as: deployment 4: blue -> green, release 7, 3.2 s."""
    took = f", {duration(finished.seconds)}" if finished.seconds else ""
    if finished.outcome is Outcome.SUCCEEDED:
        done = "" if journey.accepted else f": {finished.reason or 'done'}"
        release = "" if finished.release is None else f", release {finished.release}"
        return f"{journey.headline}{done}{release}{took}"
    ending = str(finished.outcome).replace("_", " ")
    told, _, table = finished.reason.partition("\n")
    reason = f": {told}" if told else ""
    serving = f"; {finished.active} is active" if finished.active else ""
    return f"{journey.headline}: {ending}{_failed_step(journey)}{reason}{serving}{took}" + (
        f"\n{table}" if table else ""
    )


def _failed_step(journey: Journey) -> str:
    step = next((step for step in journey.steps.values() if step.state is StepState.FAILED), None)
    return f" at step {step.number} ({step.title})" if step else ""
