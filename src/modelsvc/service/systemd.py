"""A user's systemd: units in the user's folder, `systemctl --user`, `loginctl` and `journalctl`."""

import getpass
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from modelsvc.service import programs
from modelsvc.service.errors import NoManager
from modelsvc.service.files import File
from modelsvc.service.installation import Installation, Recorded
from modelsvc.service.manager import ManagerName, Running
from modelsvc.service.units import recorded, units
from modelsvc.service.words import Journal, Words
from supervisor.files import read_text
from supervisor.paths import StatePaths

SHOWN = ("ActiveState", "MainPID", "UnitFileState", "LoadState")
OVER = ("dead", "failed", "auto-restart")  # newer versions have longer names that begin so
ACTIVE = ("active", "activating", "reloading", "deactivating")


@dataclass(frozen=True, slots=True)
class Systemd:
    """The service is two units: itself, and the socket that clients connect to."""

    service_name: str

    @property
    def name(self) -> ManagerName:
        return "systemd"

    @property
    def service(self) -> str:
        return f"{self.service_name}.service"

    @property
    def socket(self) -> str:
        return f"{self.service_name}.socket"

    def check(self) -> None:
        answer = programs.ask("systemctl", "--user", "show", "--property=Version")
        if answer.exit_code:
            raise NoManager(
                f"no systemd answers for this user ({answer.words}): log in at the machine or by ssh, not by su or"
                " sudo; in a container, or without a login, run `modelsvc up` instead"
            )

    def files(self, installation: Installation) -> tuple[File, ...]:
        return units(installation, unit_folder())

    def paths(self) -> tuple[Path, ...]:
        return tuple(unit_folder() / unit for unit in (self.service, self.socket))

    def recorded(self) -> Recorded | None:
        return recorded(read_text(unit_folder() / self.service))

    def seen(self) -> Running:
        service, socket = self._shown(self.service), self._shown(self.socket)
        pid = int(service.get("MainPID") or 0)
        return Running(
            loaded=socket.get("ActiveState") in ACTIVE,
            enabled="enabled" == service.get("UnitFileState") == socket.get("UnitFileState"),
            pid=pid or None,
        )

    def ended(self) -> int | None:
        """While there is a job the supervisor is being started, stopped or replaced."""
        shown = self._shown(self.service, ("Job", "SubState", "ExecMainCode", "ExecMainStatus"))
        if int(shown.get("Job") or 0) or not shown.get("SubState", "").startswith(OVER):
            return None
        status = int(shown.get("ExecMainStatus") or 0)
        return -status if int(shown.get("ExecMainCode") or 0) in (os.CLD_KILLED, os.CLD_DUMPED) else status

    def words(self, _state: StatePaths) -> Words:
        return Journal(self.service, time.time(), self._status_text)

    def lingers(self) -> bool | None:
        answer = programs.ask("loginctl", "show-user", getpass.getuser(), "--property=Linger")
        return answer.out.strip() == "Linger=yes" if answer.exit_code == 0 else None

    def linger(self) -> str:
        if self.lingers():
            return ""
        answer = programs.ask("loginctl", "enable-linger")
        if answer.exit_code == 0:
            return ""
        return (
            f"it starts when you log in and ends when you log out, for lingering was refused ({answer.words}): run"
            f" `sudo loginctl enable-linger {getpass.getuser()}` to have it start at boot"
        )

    def put_in_force(self, changed: tuple[File, ...], at_once: bool = False) -> None:
        """A socket whose unit changed can only be bound anew while the service is down."""
        names, seen = {file.path.name for file in changed}, self.seen()
        self._do("daemon-reload")
        if self.socket in names and (seen.pid or seen.loaded):
            self._do("stop", self.service, self.socket)
        self._do("enable", self.service, self.socket)
        if seen.pid and names == {self.service}:
            self.restart(at_once)
        else:
            self.start(at_once)

    def start(self, at_once: bool = False) -> None:
        """The socket is bound when this returns, or the start has failed."""
        if at_once:
            self._do("start", self.socket)
            self._do("start", "--no-block", self.service)
        else:
            self._do("start", self.socket, self.service)

    def stop(self) -> None:
        self._do("stop", self.service, self.socket)

    def restart(self, at_once: bool = False) -> None:
        self._do("restart", *(["--no-block"] if at_once else []), self.service)

    def unload(self) -> None:
        self._do("disable", "--now", self.service, self.socket)

    def forget(self) -> None:
        self._do("daemon-reload")
        programs.ask("systemctl", "--user", "reset-failed", self.service, self.socket)  # fails when nothing has

    def log_command(self, lines: int, follow: bool, as_json: bool) -> list[str]:
        form = ["--output=json"] if as_json else []
        following = ["--follow"] if follow else ["--no-pager"]
        return ["journalctl", "--user", f"--unit={self.service}", f"--lines={lines}", *form, *following]

    def _do(self, *words: str) -> None:
        programs.order("systemctl", "--user", *words)

    def _status_text(self) -> str:
        """Why the supervisor ended, as it told systemd; one that lives tells what it is at, which is no last word."""
        shown = self._shown(self.service, ("SubState", "StatusText"))
        return shown.get("StatusText", "") if shown.get("SubState", "").startswith(OVER) else ""

    def _shown(self, unit: str, properties: Sequence[str] = SHOWN) -> dict[str, str]:
        """Empty where nobody answers."""
        answer = programs.ask("systemctl", "--user", "show", unit, f"--property={','.join(properties)}")
        return _fields(answer.out.splitlines()) if answer.exit_code == 0 else {}


def unit_folder() -> Path:
    """Where a user's own units are."""
    configured = os.environ.get("XDG_CONFIG_HOME", "")
    home = Path(configured) if configured.startswith("/") else Path.home() / ".config"
    return home / "systemd" / "user"


def _fields(lines: Sequence[str]) -> dict[str, str]:
    return dict(line.split("=", 1) for line in lines if "=" in line)
