"""The live view of an operation on a terminal: its steps with marks, a bar, and the time so far."""

import time
from collections.abc import Sequence
from contextlib import AbstractContextManager

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from modelsvc.cli.ctl.describe import OVER, STEPS
from modelsvc.cli.ctl.journey import Journey
from modelsvc.cli.ctl.verdict import tell_verdict
from modelsvc.cli.text import duration
from supervisor.protocol import Finished, StepReport, StepState, StreamEvent

MARKS = {
    StepState.PENDING: Text("·", style="dim"),
    StepState.DONE: Text("✓", style="green"),
    StepState.SKIPPED: Text("-", style="dim"),
    StepState.FAILED: Text("✗", style="red"),
    StepState.UNDONE: Text("↩", style="yellow"),
}


FRAME_ROWS = 2  # headline and bar
MARK_COLUMNS, NUMBER_COLUMNS = 1, 2
NOTE_COLUMNS = 12  # at least
BAR_COLUMNS = 40
BESIDE_BAR = 24


class LiveView:
    """Redraws by itself, so that the spinner and the clock move while a step is silent.

    Each step is one line, cut to the width. A terminal too low for all of them sees the running one and the one before
    it. The last frame stays, so it has every step with the whole of its note.
    """

    def __init__(self) -> None:
        self._journey = Journey("asking the daemon")
        self._console = Console(highlight=False)
        self._spinner = Spinner("dots")
        self._began = time.monotonic()

    def watching(self) -> AbstractContextManager[object]:
        return Live(get_renderable=self._draw, console=self._console, refresh_per_second=10)

    def show(self, event: StreamEvent, journey: Journey) -> None:
        self._journey = journey

    def end(self, journey: Journey, finished: Finished) -> None:
        tell_verdict(journey, finished)

    def _draw(self) -> RenderableType:
        journey = self._journey
        if not journey.steps:
            return self._waiting(journey)
        return Group(_line(journey.headline, "bold"), self._steps(journey), self._bar(journey))

    def _waiting(self, journey: Journey) -> Table:
        grid = Table.grid(padding=(0, 1))
        grid.add_row(self._spinner, _line(f"{journey.name} {journey.progress}"))
        return grid

    def _steps(self, journey: Journey) -> Table:
        grid = Table.grid(padding=(0, 1))
        whole = journey.finished is not None
        # Fixed, for rich would shrink the marks away to make room for a long note.
        for width in self._widths(journey):
            grid.add_column(width=width, no_wrap=not whole, overflow="fold" if whole else "ellipsis")
        for step in self._shown(journey):
            grid.add_row(self._mark(step), f"{step.number:>2}", Text(step.title), Text(_note(step, journey)))
        return grid

    def _widths(self, journey: Journey) -> tuple[int, int, int, int]:
        """Of mark, number, title and note, with a space between each two."""
        left = self._console.width - MARK_COLUMNS - NUMBER_COLUMNS - 3
        longest = max(len(step.title) for step in journey.steps.values())
        title = max(1, min(longest, left - NOTE_COLUMNS))
        return MARK_COLUMNS, NUMBER_COLUMNS, title, max(1, left - title)

    def _shown(self, journey: Journey) -> list[StepReport]:
        steps = list(journey.steps.values())
        fits = len(steps) + FRAME_ROWS <= self._console.height
        return steps if fits or journey.finished else latest(steps)

    def _mark(self, step: StepReport) -> RenderableType:
        return self._spinner if step.state is StepState.RUNNING else MARKS[step.state]

    def _bar(self, journey: Journey) -> Table:
        grid = Table.grid(padding=(0, 1))
        elapsed = duration(time.monotonic() - self._began)
        width = max(1, min(BAR_COLUMNS, self._console.width - BESIDE_BAR))
        bar = ProgressBar(total=STEPS, completed=journey.over, width=width)
        grid.add_row(bar, _line(f"{journey.over}/{STEPS}"), _line(elapsed))
        return grid


def latest(steps: Sequence[StepReport]) -> list[StepReport]:
    """The running step and the one that was over before it; without a running one, the last that is over."""
    running = next((step for step in steps if step.state is StepState.RUNNING), None)
    over = [step for step in steps if step.state in OVER and (running is None or step.number < running.number)]
    return over[-1:] + ([running] if running else [])


def _line(text: str, style: str = "") -> Text:
    return Text(text, style=style, no_wrap=True, overflow="ellipsis")


def _note(step: StepReport, journey: Journey) -> str:
    if step.state is StepState.RUNNING:
        note = journey.progress or step.detail
    else:
        note = f"{'' if step.seconds is None else duration(step.seconds)} {step.detail}"
    return " ".join(note.split())
