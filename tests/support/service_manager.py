"""A service manager that is only a socket and an inbox: it starts supervisors as systemd and launchd do.

The listening socket is its own, and outlives them all; what they announce is kept.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from disposable.processes import end_all
from disposable.service import DEADLINE_S, service_folder
from disposable.waiting import until
from tests.support.service_fixture import Service

HERE = Path(__file__).parent
ACTIVATED = HERE / "activated.py"
LAUNCHED = HERE / "service_with_launchd.py"


def launchd_library(folder: Path) -> Path:
    """A library with launchd's function in it; the test is skipped where nothing can be compiled."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler")
    library = folder / "launchd.so"
    source = str(HERE / "launchd.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-fno-builtin", "-o", str(library), source], check=True, timeout=60)
    return library


@dataclass
class ManagedService(Service):
    """A service whose supervisors get `listener` and announce themselves; `library`: in launchd's manner."""

    listener: "socket.socket | None" = None
    library: Path | None = None
    announced: list[str] = field(default_factory=list)
    _inbox: "socket.socket | None" = None
    _reader: "threading.Thread | None" = None

    def listen(self) -> None:
        """Bind what clients come to, and what supervisors announce to."""
        host, port = self.tables["edge"]["listen"].rsplit(":", 1)
        self.listener = socket.create_server((host, int(port)), backlog=511)
        self._inbox = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._inbox.bind(str(self.folder / "manager.sock"))
        self._reader = threading.Thread(target=self._read, args=(self._inbox,), name="manager")
        self._reader.start()

    def _read(self, inbox: socket.socket) -> None:
        """All the time, since few datagrams find place in a socket; an empty one is the end."""
        while message := inbox.recv(65536):
            self.announced += message.decode().splitlines()

    def start_supervisor(self, config: Path) -> None:
        assert self.listener is not None
        descriptor = self.listener.fileno()
        options: dict[str, Any] = {"cwd": self.folder, "stdin": subprocess.DEVNULL, "start_new_session": True}
        with self.console.open("ab") as console:
            self.process = subprocess.Popen(
                [*self._starter(descriptor), "--config", str(config)],
                env={**self.env, **self._told(descriptor)},
                pass_fds=[descriptor],
                stdout=console,
                stderr=console,
                **options,
            )

    def _starter(self, descriptor: int) -> list[str]:
        if self.library:
            return [sys.executable, str(LAUNCHED)]
        return [sys.executable, str(ACTIVATED), str(descriptor), *self.program]

    def _told(self, descriptor: int) -> dict[str, str]:
        if self.library:
            return {"MODELSVC_TEST_SOCKET": str(descriptor), "MODELSVC_TEST_LAUNCHD": str(self.library)}
        return {"NOTIFY_SOCKET": str(self.folder / "manager.sock"), "WATCHDOG_USEC": "2000000"}

    # --- what a manager does ------------------------------------------------------------------------------------------

    def end_by(self, number: signal.Signals) -> int:
        """Signal the supervisor alone, and wait for its end."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.exit_code()

    def restart(self, number: signal.Signals) -> None:
        """End the supervisor by that signal and start the next one; returns when it is at work."""
        self.end_by(number)
        self.start_supervisor(self.config)
        self.settled()

    def kill_all(self) -> None:
        """Supervisor, nginx and workers are gone; only the manager's socket is left."""
        end_all(self.folder)
        assert self.process is not None
        self.process.wait(DEADLINE_S)

    def heard(self, field: str) -> list[str]:
        """What supervisors announced under that name since `announced` was cleared."""
        return [line.partition("=")[2] for line in self.announced if line.startswith(f"{field}=")]

    def hears(self, field: str, value: str) -> None:
        """Wait until that is announced."""
        until(lambda: value in self.heard(field), f"{field}={value} is announced")

    def close(self) -> None:
        assert self.listener is not None and self._inbox is not None and self._reader is not None
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"", str(self.folder / "manager.sock"))
        self._reader.join()
        for each in (self.listener, self._inbox):
            each.close()


@contextmanager
def managed_service(**kind: Any) -> Iterator[ManagedService]:
    """A service with its manager's sockets, not started; as `service_folder` has it."""
    with service_folder(ManagedService, **kind) as service:
        service.listen()
        try:
            yield service
        finally:
            service.close()


def environment_of(pid: int) -> dict[str, str]:
    """What a process was started with (Linux)."""
    entries = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    return {name: value for name, _, value in (os.fsdecode(entry).partition("=") for entry in entries)}
