"""Ways to watch an operation: JSON lines for programs, a line a step for pipes and logs, a live list on a terminal."""

import sys
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

import click

from modelsvc.cli import output
from modelsvc.cli.ctl.describe import OVER, step_line
from modelsvc.cli.ctl.journey import Journey
from modelsvc.cli.ctl.verdict import tell_verdict, verdict
from supervisor.protocol import Accepted, Finished, Outcome, StepChanged, StreamEvent


class View(Protocol):
    """Shows each event as it comes, with what is known after it."""

    def watching(self) -> AbstractContextManager[object]: ...

    def show(self, event: StreamEvent, journey: Journey) -> None: ...

    def end(self, journey: Journey, finished: Finished) -> None: ...


def choose_view() -> View:
    if output.json_wanted():
        return JsonView()
    if sys.stdout.isatty():
        from modelsvc.cli.ctl.live import LiveView  # rich takes its time to import

        return LiveView()
    return PlainView()


class JsonView:
    """Every event as it came, one a line; the last one tells the outcome."""

    def watching(self) -> AbstractContextManager[object]:
        return nullcontext()

    def show(self, event: StreamEvent, journey: Journey) -> None:
        output.emit(event)

    def end(self, journey: Journey, finished: Finished) -> None:
        if finished.outcome is not Outcome.SUCCEEDED:
            output.say(verdict(journey, finished))


class PlainView:
    """A line when a step is over."""

    def watching(self) -> AbstractContextManager[object]:
        return nullcontext()

    def show(self, event: StreamEvent, journey: Journey) -> None:
        if isinstance(event, Accepted):
            click.echo(journey.headline)
        if isinstance(event, StepChanged) and event.step.state in OVER:
            click.echo(step_line(event.step))

    def end(self, journey: Journey, finished: Finished) -> None:
        tell_verdict(journey, finished)
