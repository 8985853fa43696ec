"""Waiting for an installed service, which a service manager keeps."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from modelsvc.cli import output
from modelsvc.cli.daemon import daemon_socket
from modelsvc.cli.waiting.verdict import Awaited, DeploymentFailed, Ended
from modelsvc.cli.waiting.wait import ANSWER_S, WORDS_LINES, until_it_serves
from modelsvc.console import below
from modelsvc.service import operations
from modelsvc.service.installation import DEFAULT_NAME
from modelsvc.service.manager import Manager
from modelsvc.service.words import Words
from supervisor.client import ControlClient
from supervisor.errors import ConfigError
from supervisor.paths import StatePaths
from supervisor.protocol import Status


@dataclass(frozen=True, slots=True)
class Managed:
    """The `Background` of an installed service: `service` and `ctl` are the commands that mean it."""

    manager: Manager
    awaited: Awaited
    words: Words
    service: str
    ctl: str

    def tend(self, status: Status | None) -> None:
        """The manager does."""

    def ended(self, status: Status | None) -> int | None:
        return None if status else self.manager.ended()

    def explained(self, end: Ended | DeploymentFailed) -> str:
        if isinstance(end, DeploymentFailed):
            what = end.explained(self.ctl)
        else:
            again = f"; {self.manager.name} starts it again every few seconds" if end.exit_code else ""
            what = f"the supervisor ended with {end.how}{again}: `{self.service} logs` has its output"
        return f"{what}, `{self.service} stop` ends it{self._last_words()}"

    def timed_out(self, timeout_s: float, status: Status | None) -> str:
        if status is None:
            what = f"the supervisor did not answer within {timeout_s:g} s: `{self.service} status` tells more"
        elif status.pid == self.awaited.instead_of:
            what = (
                f"the supervisor that is to be replaced (pid {status.pid}) still finishes what is under way after"
                f" {timeout_s:g} s; the new one comes by itself: see `{self.ctl} status`"
            )
        else:
            what = f"no colour serves after {timeout_s:g} s; it goes on in the background: see `{self.ctl} status`"
        return what + self._last_words()

    def _last_words(self) -> str:
        return below(self.words.last(WORDS_LINES))


@dataclass(frozen=True, slots=True)
class Pending:
    """A wait that is to come: what is known before the manager gets its orders."""

    manager: Manager
    name: str
    pid: int | None
    words: Words
    at: datetime

    def until_it_serves(self, timeout_s: float, *, replaced: bool) -> Status:
        """`replaced`: whoever ran before does not count. Raises NotUp, DeadlineExceeded, ConfigError."""
        socket = operations.socket_of(self.manager)
        awaited = Awaited(self.at, self.pid if replaced else None)
        service = "modelsvc service" if self.name == DEFAULT_NAME else f"modelsvc service --name {self.name}"
        background = Managed(self.manager, awaited, self.words, service, _ctl(socket))
        try:
            return until_it_serves(ControlClient(socket, ANSWER_S), background, timeout_s)
        except KeyboardInterrupt:
            output.say(f"it goes on starting in the background: `{service} stop` ends it")
            raise


def prepare(manager: Manager, name: str, state: StatePaths) -> Pending:
    """To be asked for first."""
    return Pending(manager, name, manager.seen().pid, manager.words(state), datetime.now(UTC))


def _ctl(socket: Path) -> str:
    """This shell may mean another service."""
    try:
        usual = daemon_socket() == socket
    except ConfigError:
        usual = False
    return "modelsvc ctl" if usual else f"modelsvc ctl --socket {socket}"
