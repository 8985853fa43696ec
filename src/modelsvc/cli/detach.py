"""`modelsvc up --detach`: a supervisor in the background, where no service manager starts one.

It gets a session of its own, so that it outlives the terminal, reads nothing, and appends what a terminal would have
shown to logs/console.log. The command waits until a colour serves, or until it is known that none will.
"""

import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from modelsvc.cli import output
from modelsvc.cli.ctl.describe import not_serving, under_way
from supervisor.client import ABSENT, ControlClient
from supervisor.errors import ConfigError, DeadlineExceeded, Refused, SupervisorError
from supervisor.lock import is_held
from supervisor.paths import StatePaths, control_socket, state_paths
from supervisor.protocol import DeploymentStatus, ErrorType, ExitCode, Outcome, Status

LOOK_S = 0.1
ANSWER_S = 5.0
WORDS_LINES = 20
ENDED_WELL = (None, Outcome.SUCCEEDED)


class NotUp(SupervisorError):
    """The service does not serve, and will not by itself; `type` is that of the supervisor's own exit code."""

    code = "not_up"

    def __init__(self, message: str, kind: ErrorType) -> None:
        super().__init__(message)
        self.type = kind


@dataclass(frozen=True, slots=True)
class Console:
    """What the supervisor says from `begin` on, in bytes."""

    path: Path
    begin: int

    def lines(self) -> list[str]:
        with self.path.open("rb") as file:
            file.seek(self.begin)
            return file.read().decode(errors="replace").splitlines()

    def last_words(self) -> str:
        """To go behind a message; empty when there are none."""
        return "".join(f"\n{line}" for line in self.lines()[-WORDS_LINES:])


@dataclass(frozen=True, slots=True)
class Launch:
    """A supervisor that was started at `at`, in UTC."""

    process: "subprocess.Popen[bytes]"
    console: Console
    at: datetime


def detach(config: Path | None, timeout_s: float) -> None:
    """Have a service run in the background. Raises SupervisorError when it does not, or not within `timeout_s`."""
    client, paths = ControlClient(control_socket(config), ANSWER_S), state_paths()
    try:
        status, launch = _wait(client, paths, config, timeout_s)
    except KeyboardInterrupt:
        output.say("it goes on starting in the background: `modelsvc ctl shutdown` ends it")
        raise
    _tell(status, launch, paths)


def launch_supervisor(config: Path | None, paths: StatePaths) -> Launch:
    """Start it and return at once. Raises ConfigError when the state folder cannot be used."""
    path = paths.console_log
    try:
        for folder in (paths.root, paths.logs):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with path.open("ab") as console:
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


def _check_same(running: Status, config: Path | None) -> None:
    """Whoever names another configuration does not mean the service that runs."""
    if config is not None and running.config != str(config):
        raise Refused(
            f"a supervisor (pid {running.pid}) runs already, with {running.config or 'the default configuration'}"
            f" and not with {config}: end it with `modelsvc ctl shutdown`, or set MODELSVC_HOME to another folder",
            code="already_running",
        )


def _wait(
    client: ControlClient, paths: StatePaths, config: Path | None, timeout_s: float
) -> tuple[Status, Launch | None]:
    """Until a colour serves. A supervisor is started once there is none; another may just be starting, or ending."""
    deadline, told, launch, status = time.monotonic() + timeout_s, "", None, None
    while time.monotonic() < deadline:
        status = _status(client)
        if launch is None and status is not None:
            _check_same(status, config)
        if status is not None and is_up(status):
            return status, launch
        if launch is not None and launch.process.poll() == ExitCode.REFUSED and is_held(paths.lock):
            launch = None  # another was quicker
        elif launch is not None:
            _check(launch, client, status)
        elif status is None and not is_held(paths.lock):
            launch = launch_supervisor(config, paths)
        told = _show_progress(status, told)
        time.sleep(LOOK_S)
    raise DeadlineExceeded(_late(timeout_s, paths, status, launch))


def _late(timeout_s: float, paths: StatePaths, status: Status | None, launch: Launch | None) -> str:
    if launch is None and status is None:
        return (
            f"another supervisor has {paths.root}, and did not answer within {timeout_s:g} s: `modelsvc doctor` tells"
            " which process it is, and what to do"
        )
    words = launch.console.last_words() if launch else ""
    return f"no colour serves after {timeout_s:g} s; it goes on in the background: see `modelsvc ctl status`{words}"


def is_up(status: Status) -> bool:
    """A colour serves, or would if an operator did not have requests held."""
    return not not_serving(status) or (status.edge.paused and status.deployment is None)


def _check(launch: Launch, client: ControlClient, status: Status | None) -> None:
    """Raise NotUp when the supervisor has ended, or what it tried came to nothing."""
    if (code := launch.process.poll()) is not None:
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        words = launch.console.last_words()
        raise NotUp(f"the supervisor ended with {how}; {launch.console.path} has its output{words}", _kind(code))
    if status is not None:
        _check_progress(_latest(client), launch)


def _check_progress(latest: DeploymentStatus | None, launch: Launch) -> None:
    """Raise NotUp when the first deployment came to nothing; the supervisor tries again, but nobody should wait."""
    if latest is None or latest.outcome in ENDED_WELL or datetime.fromisoformat(latest.started_at) < launch.at:
        return
    kind: ErrorType = "refused" if latest.outcome is Outcome.REFUSED else "failed"
    raise NotUp(
        f"deployment {latest.deployment} came to nothing: {latest.reason}; it is tried again in the background:"
        f" `modelsvc ctl explain` tells more, `modelsvc ctl shutdown` ends it{launch.console.last_words()}",
        kind,
    )


def _kind(code: int) -> ErrorType:
    """What kind of error a supervisor's exit code tells."""
    kinds: dict[int, ErrorType] = {
        ExitCode.MISUSE: "invalid_request",
        ExitCode.REFUSED: "refused",
        ExitCode.TIMED_OUT: "timed_out",
    }
    return kinds.get(code, "failed")


def _status(client: ControlClient) -> Status | None:
    with suppress(*ABSENT):
        return client.status()
    return None


def _latest(client: ControlClient) -> DeploymentStatus | None:
    with suppress(*ABSENT):
        return next(iter(client.history(1)), None)
    return None


def _show_progress(status: Status | None, told: str) -> str:
    """A line when the step is another one; what was told last."""
    now = under_way(status.deployment, details=False) if status and status.deployment else told
    if now != told and not output.json_wanted():
        output.say(now)
    return now


def _tell(status: Status, launch: Launch | None, paths: StatePaths) -> None:
    """As the foreground would have told it, and where the rest will be."""
    console = paths.console_log
    if output.json_wanted():
        facts = {"pid": status.pid, "active": status.active, "listen": status.edge.listen, "already": launch is None}
        output.emit({**facts, "console": str(console)})
        return
    for line in launch.console.lines() if launch else []:
        output.say(line.removeprefix("modelsvc: "))
    already = "runs already" if launch is None else "runs in the background"
    serving = not_serving(status) or f"{status.active} serves at http://{status.edge.listen}"
    output.say(f"{already}, pid {status.pid}; {serving}; its output goes to {console}")
