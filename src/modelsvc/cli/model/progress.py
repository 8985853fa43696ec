"""Ways to watch a pull: JSON lines for programs, lines now and then for logs, a bar on a terminal."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import click

from modelsvc.cli import output
from modelsvc.cli.model.describe import event_line, next_step
from modelsvc.store.events import Event, Finished, Progress

JSON_EVERY_S = 1.0
LINE_EVERY_S = 10.0


class View(Protocol):
    """Shows each event as it comes."""

    def show(self, event: Event) -> None: ...


@contextmanager
def choose_view() -> Iterator[View]:
    if output.json_wanted():
        yield JsonView()
    elif sys.stdout.isatty():
        from modelsvc.cli.model.bar import bar_view  # rich takes its time to import

        with bar_view() as view:
            yield view
    else:
        yield PlainView()


class Pacer:
    """Lets one event through in so many seconds, the first when they are over."""

    def __init__(self, every_s: float) -> None:
        self._every_s, self._last = every_s, time.monotonic()

    def __call__(self) -> bool:
        due = time.monotonic() - self._last >= self._every_s
        if due:
            self._last = time.monotonic()
        return due


class JsonView:
    """Every event as it came, one a line, of progress one a second; the last one has the entry."""

    def __init__(self) -> None:
        self._due = Pacer(JSON_EVERY_S)

    def show(self, event: Event) -> None:
        if not isinstance(event, Progress) or self._due():
            output.emit(event)


class PlainView:
    """A line for each event, of progress one in ten seconds."""

    def __init__(self) -> None:
        self._due = Pacer(LINE_EVERY_S)

    def show(self, event: Event) -> None:
        if isinstance(event, Progress) and not self._due():
            return
        click.echo(event_line(event))
        if isinstance(event, Finished):
            click.echo(next_step(event))
