"""`systemctl`, `loginctl`, `journalctl` and `launchctl` that note what they are asked, and answer as the real ones do.

They run as a program named after what they stand for. Below $FAKE_MANAGER: `calls`; a file for each unit, job or user
that is in a state; `refuses`, whose lines are the words of calls that fail.
"""

import os
import sys
from pathlib import Path

PID = "4711"
LINGERING = "lingering"


class Fake:
    def __init__(self, folder: Path, words: list[str]) -> None:
        self.folder, self.words = folder, words

    def run(self) -> int:
        program, *words = self.words
        with (self.folder / "calls").open("a") as calls:
            calls.write(" ".join(self.words) + "\n")
        refuses = self.folder / "refuses"
        if any(line and line in " ".join(self.words) for line in _lines(refuses)):
            sys.stderr.write(f"{words[-1]}: Access denied\n")
            return 1
        return int(getattr(self, program)(*words) or 0)

    def systemctl(self, _user: str, verb: str, *names: str) -> int:
        if verb == "show" and names[0] == "--property=Version":
            sys.stdout.write("Version=252\n")
        elif verb == "show":
            self._show(names[0])
        elif verb in ("start", "restart"):
            for unit in names:
                self._set(unit, "active")
        elif verb == "stop":
            for unit in names:
                self._set(unit, "inactive")
        elif verb == "enable":
            for unit in names:
                self._set(f"{unit}.enabled", "enabled")
        elif verb == "disable":
            for unit in names[1:]:
                self._set(unit, "inactive")
                self._set(f"{unit}.enabled", "disabled")
        return 0

    def _show(self, unit: str) -> None:
        active = self._get(unit, "inactive")
        sys.stdout.write(f"ActiveState={active}\nUnitFileState={self._get(f'{unit}.enabled', 'disabled')}\n")
        for name in ("Job", "SubState", "ExecMainCode", "ExecMainStatus", "StatusText"):
            sys.stdout.write(f"{name}={self._get(f'{unit}.{name}', '')}\n")
        if unit.endswith(".service"):
            sys.stdout.write(f"MainPID={self._get('pid', PID) if active == 'active' else 0}\n")

    def loginctl(self, verb: str, *_: str) -> int:
        if verb == "enable-linger":
            self._set(LINGERING, "yes")
        else:
            sys.stdout.write(f"Linger={self._get(LINGERING, 'no')}\n")
        return 0

    def journalctl(self, *words: str) -> int:
        sys.stdout.write("what it said\n")
        return 0

    def launchctl(self, verb: str, *names: str) -> int:
        """A job that is told SIGUSR2 comes back with another pid."""
        pid = int(self._get("pid", PID))
        if verb == "print" and names[0].count("/") > 1:
            if self._get("job", "") != "loaded":
                sys.stderr.write("Could not find service\n")
                return 113
            sys.stdout.write(f"{names[0]} = {{\n\tstate = running\n\tpid = {pid}\n}}\n")
        elif verb == "bootstrap":
            self._set("job", "loaded")
        elif verb == "bootout":
            self._set("job", "")
        elif verb == "kill":
            self._set("pid", str(pid + 1))
        return 0

    def _set(self, name: str, state: str) -> None:
        (self.folder / name).write_text(state)

    def _get(self, name: str, default: str) -> str:
        return "".join(_lines(self.folder / name)) or default


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


if __name__ == "__main__":
    sys.exit(Fake(Path(os.environ["FAKE_MANAGER"]), [Path(sys.argv[0]).name, *sys.argv[1:]]).run())
