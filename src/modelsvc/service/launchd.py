"""A user's launchd: an agent in `~/Library/LaunchAgents`, loaded with `launchctl` into the user's domain."""

import os
import plistlib
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from modelsvc.console import from_now_on
from modelsvc.service import programs
from modelsvc.service.errors import ManagerFailed, NoManager, NotInstalled
from modelsvc.service.files import File
from modelsvc.service.installation import LOG_NAME, Installation, Recorded
from modelsvc.service.manager import ManagerName, Running
from modelsvc.service.plist import label, plist, recorded
from modelsvc.service.words import Words
from supervisor.errors import InvalidRequest
from supervisor.paths import StatePaths

POLL_S = 0.1
LOAD_TIMEOUT_S = 30.0
END_TIMEOUT_S = 1800.0  # launchd itself ends it after ExitTimeOut
EXIT_CODE = re.compile(r"^\s*last exit code = (\d+)", re.MULTILINE)
SIGNAL = re.compile(r"^\s*last terminating signal = \D*(\d+)", re.MULTILINE)
STATE = re.compile(r"^\s*pid = (\d+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Launchd:
    """`bootout` returns before the job is gone, and a job that is still there cannot be loaded again: it is awaited."""

    service_name: str

    @property
    def name(self) -> ManagerName:
        return "launchd"

    @property
    def domain(self) -> str:
        return f"gui/{os.getuid()}"

    @property
    def target(self) -> str:
        return f"{self.domain}/{label(self.service_name)}"

    @property
    def path(self) -> Path:
        return agent_folder() / f"{label(self.service_name)}.plist"

    def check(self) -> None:
        answer = programs.ask("launchctl", "print", self.domain)
        if answer.exit_code:
            raise NoManager(
                f"launchd has no session of this user ({answer.words}): log in at the screen once, for agents live"
                " there; by ssh alone run `modelsvc up` instead"
            )

    def files(self, installation: Installation) -> tuple[File, ...]:
        return (plist(installation, agent_folder()),)

    def paths(self) -> tuple[Path, ...]:
        return (self.path,)

    def recorded(self) -> Recorded | None:
        return recorded(self.path.read_bytes()) if self.path.is_file() else None

    def seen(self) -> Running:
        answer = programs.ask("launchctl", "print", self.target)
        if answer.exit_code:
            return Running()
        pid = STATE.search(answer.out)
        return Running(loaded=True, enabled=not self._is_disabled(), pid=int(pid[1]) if pid else None)

    def ended(self) -> int | None:
        """An end with 0 was asked for, and is followed by a start."""
        answer = programs.ask("launchctl", "print", self.target)
        if answer.exit_code or STATE.search(answer.out):
            return None
        code, number = EXIT_CODE.search(answer.out), SIGNAL.search(answer.out)
        return -int(number[1]) if number else (int(code[1]) or None) if code else None

    def words(self, state: StatePaths) -> Words:
        return from_now_on(state.logs / LOG_NAME)

    def lingers(self) -> bool | None:
        return None  # an agent lives from login to logout

    def linger(self) -> str:
        return ""

    def put_in_force(self, changed: tuple[File, ...], at_once: bool = False) -> None:
        """launchd reads a file only when it loads it."""
        if changed and self.seen().loaded:
            self.stop()
        programs.order("launchctl", "enable", self.target)
        self.start(at_once)

    def start(self, at_once: bool = False) -> None:
        """Of a job that is loaded already the process is awaited, for how an earlier one ended is shown until then."""
        seen = self.seen()
        if not seen.loaded:
            programs.order("launchctl", "bootstrap", self.domain, str(self.path))  # RunAtLoad starts it
            if at_once:
                return
        elif seen.pid is None:
            programs.order("launchctl", "kickstart", self.target)
        self._await(lambda seen: seen.pid is not None, "is not started", LOAD_TIMEOUT_S)

    def stop(self) -> None:
        if self.seen().loaded:
            programs.order("launchctl", "bootout", self.target)
            self._await(lambda seen: not seen.loaded, "does not end", END_TIMEOUT_S)

    def restart(self, at_once: bool = False) -> None:
        """KeepAlive starts the next one."""
        before = self.seen().pid
        if before is None:
            self.start(at_once)
            return
        programs.order("launchctl", "kill", "SIGUSR2", self.target)
        if not at_once:
            self._await(lambda seen: seen.pid not in (None, before), "does not hand over", END_TIMEOUT_S)

    def unload(self) -> None:
        self.stop()

    def forget(self) -> None:
        """Nothing is left that would remember it."""

    def log_command(self, lines: int, follow: bool, as_json: bool) -> list[str]:
        if as_json:
            raise InvalidRequest("launchd keeps the supervisor's words as text: leave --json out")
        return ["tail", "-n", str(lines), *(["-F"] if follow else []), self._log()]

    def _log(self) -> str:
        """Where the installed agent writes. Raises NotInstalled."""
        try:
            return str(plistlib.loads(self.path.read_bytes())["StandardErrorPath"])
        except FileNotFoundError:
            raise NotInstalled("the service is not installed: run `modelsvc service install` first") from None

    def _is_disabled(self) -> bool:
        """Older systems say `=> true`."""
        listed = programs.ask("launchctl", "print-disabled", self.domain).out
        return bool(re.search(rf'"{re.escape(label(self.service_name))}" => (disabled|true)', listed))

    def _await(self, done: Callable[[Running], bool], complaint: str, timeout_s: float) -> None:
        """Raises ManagerFailed."""
        deadline = time.monotonic() + timeout_s
        while not done(self.seen()):
            if time.monotonic() > deadline:
                raise ManagerFailed(
                    f"the service {complaint} within {timeout_s:.0f} s: see `modelsvc service logs`, and"
                    f" `launchctl print {self.target}`"
                )
            time.sleep(POLL_S)


def agent_folder() -> Path:
    """Where a user's own agents are."""
    return Path.home() / "Library" / "LaunchAgents"
