"""What a watcher knows of an operation from the events so far. Pure: `after` folds one event in."""

from dataclasses import dataclass, field, replace
from typing import assert_never

from modelsvc.cli.ctl.describe import OVER, route
from supervisor.protocol import (
    Accepted,
    ExitCode,
    Finished,
    Outcome,
    Progress,
    StepChanged,
    StepReport,
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
    done: str = ""  # what to tell of the release when that was done, such as `release {} is given up`
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
