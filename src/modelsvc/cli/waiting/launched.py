"""Waiting for a supervisor that the command itself starts.

It gets a session of its own, so that it outlives the terminal, reads nothing, and appends what a terminal would have
shown to logs/console.log.
"""

import os
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from modelsvc.cli.waiting.verdict import Awaited, DeploymentFailed, Ended
from modelsvc.cli.waiting.wait import WORDS_LINES
from modelsvc.console import Console, below
from supervisor.errors import ConfigError, Refused
from supervisor.lock import is_held
from supervisor.paths import StatePaths, check_owner
from supervisor.protocol import ExitCode, Status


@dataclass(frozen=True, slots=True)
class Launch:
    """A supervisor that was started at `at`, in UTC."""

    process: "subprocess.Popen[bytes]"
    console: Console
    at: datetime

    def last_words(self) -> str:
        return below(self.console.last(WORDS_LINES))


@dataclass(slots=True)
class Launcher:
    """Starts a supervisor once there is none; another may just be starting, or ending. `launch` is the one it started.

    It is the `Background` of `up --detach`.
    """

    paths: StatePaths
    config: Path | None
    launch: Launch | None = None

    @property
    def awaited(self) -> Awaited:
        return Awaited(self.launch.at if self.launch else None)

    def tend(self, status: Status | None) -> None:
        if self.launch is not None:
            return
        if status is not None:
            _check_same(status, self.config)
        elif not is_held(self.paths.lock):
            self.launch = launch_supervisor(self.config, self.paths)

    def ended(self, _status: Status | None) -> int | None:
        code = self.launch.process.poll() if self.launch else None
        if code == ExitCode.REFUSED and is_held(self.paths.lock):
            self.launch = code = None  # another was quicker
        return code

    def explained(self, end: Ended | DeploymentFailed) -> str:
        assert self.launch is not None, "what is not ours is not judged"
        words = self.launch.last_words()
        if isinstance(end, Ended):
            return f"the supervisor ended with {end.how}; {self.launch.console.path} has its output{words}"
        return f"{end.explained('modelsvc ctl')}, `modelsvc ctl shutdown` ends it{words}"

    def timed_out(self, timeout_s: float, status: Status | None) -> str:
        if self.launch is None and status is None:
            return (
                f"another supervisor has {self.paths.root}, and did not answer within {timeout_s:g} s: `modelsvc"
                " doctor` tells which process it is, and what to do"
            )
        words = self.launch.last_words() if self.launch else ""
        return f"no colour serves after {timeout_s:g} s; it goes on in the background: see `modelsvc ctl status`{words}"


def launch_supervisor(config: Path | None, paths: StatePaths) -> Launch:
    """Start it and return at once. Raises ConfigError when the state folder cannot be used."""
    check_owner(paths)
    path = paths.console_log
    try:
        for folder in (paths.root, paths.logs):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with open(path, "ab", opener=_owner_only) as console:
            begin = console.tell()
            command = [sys.executable, "-P", "-m", "supervisor", *(["--config", str(config)] if config else [])]
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=console, stderr=console, start_new_session=True
            )
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be written: {error.strerror}; set MODELSVC_HOME to a usable folder"
        ) from error
    return Launch(process, Console(path, begin), datetime.now(UTC))


def _owner_only(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _check_same(running: Status, config: Path | None) -> None:
    """Whoever names another configuration does not mean the service that runs."""
    if config is not None and running.config != str(config):
        raise Refused(
            f"a supervisor (pid {running.pid}) runs already, with {running.config or 'the default configuration'}"
            f" and not with {config}: end it with `modelsvc ctl shutdown`, or set MODELSVC_HOME to another folder",
            code="already_running",
        )
