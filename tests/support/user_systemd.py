"""A real `systemd --user` for a test, where the test may have namespaces of its own: as root, on Linux."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from disposable.waiting import until

SCRIPT = Path(__file__).with_suffix(".sh")
RUNTIME_FOLDER = "/run/user-of-test"
END_TIMEOUT_S = 20.0
PROGRAMS = ("unshare", "nsenter", "systemctl", "/lib/systemd/systemd")


@dataclass(frozen=True)
class UserSystemd:
    """`pid` is that of a process in the manager's namespaces."""

    pid: int
    environment: Mapping[str, str]

    def run(self, *command: str) -> "subprocess.CompletedProcess[str]":
        """A program beside the manager, as its user would run it."""
        inside = ["nsenter", f"--target={self.pid}", "--mount", "--pid", "--cgroup", *command]
        return subprocess.run(inside, env=dict(self.environment), capture_output=True, text=True, timeout=100)

    def modelsvc(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return self.run(sys.executable, "-m", "modelsvc", *arguments)

    def shown(self, unit: str, name: str) -> str:
        return self.run("systemctl", "--user", "show", unit, f"--property={name}", "--value").stdout.strip()

    def answers(self) -> bool:
        return self.run("systemctl", "--user", "show", "--property=Version").returncode == 0


@contextmanager
def user_systemd(environment: Mapping[str, str], log: Path) -> Iterator[UserSystemd]:
    """Its services get `environment`. The test is skipped where that cannot be had."""
    if sys.platform != "linux" or os.geteuid() != 0 or not all(map(shutil.which, PROGRAMS)):
        pytest.skip("needs root, namespaces and systemd")
    told = {**environment, "XDG_RUNTIME_DIR": RUNTIME_FOLDER}
    apart = ["unshare", "--mount", "--pid", "--cgroup", "--fork", "--kill-child"]
    with log.open("wb") as output:
        outer = subprocess.Popen(
            [*apart, "sh", str(SCRIPT), RUNTIME_FOLDER, str(os.getpid())],
            env=told,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        manager = _begun(outer, told, log)
        try:
            yield manager
        finally:
            manager.run("systemctl", "--user", "exit")
            with suppress(subprocess.TimeoutExpired):
                outer.wait(END_TIMEOUT_S)
    finally:
        outer.kill()
        outer.wait()


def _begun(outer: "subprocess.Popen[bytes]", environment: Mapping[str, str], log: Path) -> UserSystemd:
    def look() -> UserSystemd | bool:
        """True: it ended."""
        if outer.poll() is not None:
            return True
        children = psutil.Process(outer.pid).children()
        manager = UserSystemd(children[0].pid, environment) if children else None
        return manager if manager and manager.answers() else False

    found = until(look, "the manager answers, or ended", 20)
    if not isinstance(found, UserSystemd):
        pytest.skip(f"systemd --user cannot run here: {log.read_text()[-300:]}")
    return found
