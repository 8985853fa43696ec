"""Run an operation of the daemon and watch it to its end."""

from collections.abc import Callable
from contextlib import closing

import click

from modelsvc.cli import output
from modelsvc.cli.base import INTERRUPTED, MAX_S, Finite
from modelsvc.cli.ctl.journey import EXIT_CODE_OF, Journey
from modelsvc.cli.ctl.views import View, choose_view
from supervisor.client import Events
from supervisor.errors import DeadlineExceeded, SupervisorError
from supervisor.protocol import ErrorBody, Finished

patience_option = click.option(
    "--timeout",
    "patience_s",
    type=Finite(min=0, min_open=True, max=MAX_S),
    metavar="SECONDS",
    help="Give up waiting after this long (exit code 5); the work itself goes on.",
)


class Watcher:
    """Follows one operation. Leaving early, by Ctrl-C or `--timeout`, leaves the daemon at work and says so."""

    def __init__(self, name: str, view: View, done: str = "") -> None:
        self._journey = Journey(name, done)
        self._view = view

    def follow(self, begin: Callable[[], Events]) -> int:
        try:
            with self._view.watching():
                finished = self._watch(begin())
        except KeyboardInterrupt:
            return self._interrupted()
        except SupervisorError as error:
            if error.type != "timed_out":
                raise
            raise DeadlineExceeded(f"gave up waiting: {self._journey.unwatched}") from error
        self._view.end(self._journey, finished)
        return EXIT_CODE_OF[finished.outcome]

    def _watch(self, events: Events) -> Finished:
        # The client's generator ends with Finished or raises, and closing it hangs up.
        with closing(events):
            for event in events:
                self._journey = self._journey.after(event)
                self._view.show(event, self._journey)
        assert self._journey.finished is not None
        return self._journey.finished

    def _interrupted(self) -> int:
        body = ErrorBody(type="timed_out", code="interrupted", message=self._journey.unwatched)
        output.report(body, output.json_wanted())
        return INTERRUPTED


def operate(name: str, begin: Callable[[], Events], done: str = "") -> int:
    """Run the operation that `begin` asks for; return the exit code. `done` as a Journey has it."""
    return Watcher(name, choose_view(), done).follow(begin)
