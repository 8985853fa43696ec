"""The live view of an operation on a terminal: its steps with marks, a bar, and the time so far."""

import time
from contextlib import AbstractContextManager

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from modelsvc.cli.ctl.describe import STEPS
from modelsvc.cli.ctl.journey import Journey
from modelsvc.cli.ctl.views import tell_verdict
from modelsvc.cli.text import duration
from supervisor.protocol import Finished, StepReport, StepState, StreamEvent

MARKS = {
    StepState.PENDING: Text("·", style="dim"),
    StepState.DONE: Text("✓", style="green"),
    StepState.SKIPPED: Text("-", style="dim"),
    StepState.FAILED: Text("✗", style="red"),
    StepState.UNDONE: Text("↩", style="yellow"),
}


class LiveView:
    """Redraws by itself, so that the spinner and the clock move while a step is silent."""

    def __init__(self) -> None:
        self._journey = Journey("asking the daemon")
        self._spinner = Spinner("dots")
        self._began = time.monotonic()

    def watching(self) -> AbstractContextManager[object]:
        return Live(get_renderable=self._draw, console=Console(highlight=False), refresh_per_second=10)

    def show(self, event: StreamEvent, journey: Journey) -> None:
        self._journey = journey

    def end(self, journey: Journey, finished: Finished) -> None:
        tell_verdict(journey, finished)

    def _draw(self) -> RenderableType:
        journey = self._journey
        if not journey.steps:
            self._spinner.update(text=f" {journey.name} {journey.progress}")
            return self._spinner
        return Group(Text(journey.headline, style="bold"), self._steps(journey), self._bar(journey))

    def _steps(self, journey: Journey) -> Table:
        grid = Table.grid(padding=(0, 1))
        for step in journey.steps.values():
            grid.add_row(self._mark(step), f"{step.number:>2}", Text(step.title), Text(_note(step, journey)))
        return grid

    def _mark(self, step: StepReport) -> RenderableType:
        return self._spinner if step.state is StepState.RUNNING else MARKS[step.state]

    def _bar(self, journey: Journey) -> Table:
        bar = Table.grid(padding=(0, 1))
        elapsed = duration(time.monotonic() - self._began)
        bar.add_row(ProgressBar(total=STEPS, completed=journey.over, width=40), f"{journey.over}/{STEPS}", elapsed)
        return bar


def _note(step: StepReport, journey: Journey) -> str:
    if step.state is StepState.RUNNING:
        return journey.progress or step.detail
    took = "" if step.seconds is None else duration(step.seconds)
    return f"{took} {step.detail}".strip()
