"""The bar of a pull on a terminal: how much is there, how fast it comes, how long it will take."""

from collections.abc import Iterator
from contextlib import contextmanager

import click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, TaskID, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.progress import Progress as Bar

from modelsvc.cli.model.describe import event_line, next_step
from modelsvc.store.events import Began, Event, Finished, Progress


class BarView:
    """The bar stays in the last line; what happens is written above it."""

    def __init__(self, bar: Bar) -> None:
        self._bar = bar
        self._task: TaskID | None = None

    def show(self, event: Event) -> None:
        match event:
            case Began():
                total, done = event.size_bytes, event.resumed_bytes
                self._task = self._bar.add_task(event.name, total=total, completed=done)
            case Progress() if self._task is not None:
                self._bar.update(self._task, completed=event.bytes, total=event.size_bytes)
            case Finished():
                self._bar.stop()
                click.echo(f"{event_line(event)}\n{next_step(event)}")
            case _:
                self._bar.console.print(event_line(event), markup=False)


@contextmanager
def bar_view() -> Iterator[BarView]:
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=Console(highlight=False)) as bar:
        yield BarView(bar)
