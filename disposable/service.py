"""A real supervisor in a folder and on ports of its own, of which nothing is left afterwards."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import tomli_w

from disposable.errors import Failed
from disposable.ports import reserved_ports
from disposable.processes import end_all, processes_of
from disposable.waiting import until
from supervisor.client import ControlClient
from supervisor.errors import SupervisorError
from supervisor.paths import StatePaths
from supervisor.protocol import Status

SUPERVISOR = (sys.executable, "-P", "-m", "supervisor")
DEADLINE_S = 40.0
LOG_LINES = 20  # requests are left out

Tables = Mapping[str, Mapping[str, Any]]
AnyService = TypeVar("AnyService", bound="Service")


@dataclass
class Service:
    """`program` is how its supervisor is started; `environment` goes to it and to its workers."""

    folder: Path
    tables: dict[str, dict[str, Any]]
    program: tuple[str, ...] = SUPERVISOR
    environment: dict[str, str] = field(default_factory=dict)
    console_name: str = "console.log"
    process: "subprocess.Popen[bytes] | None" = None

    # --- where it is --------------------------------------------------------------------------------------------------

    @property
    def state(self) -> StatePaths:
        return StatePaths(self.folder / "s")

    @property
    def config(self) -> Path:
        return self.folder / "modelsvc.toml"

    @property
    def console(self) -> Path:
        """What the supervisor says on its terminal."""
        return self.folder / self.console_name

    @property
    def url(self) -> str:
        return f"http://{self.tables['edge']['listen']}"

    @property
    def env(self) -> dict[str, str]:
        """Of commands to it, and its own."""
        own = {"MODELSVC_HOME": str(self.state.root), "MODELSVC_CONFIG": str(self.config)}
        return {**os.environ, **own, **self.environment}

    # --- its supervisor -----------------------------------------------------------------------------------------------

    @property
    def client(self) -> ControlClient:
        return ControlClient(self.state.control_socket, timeout_s=20)

    def launch(self, config: str | None = None) -> None:
        """Start a supervisor and return at once. `config` is used as it stands."""
        self.config.write_text(tomli_w.dumps(self.tables) if config is None else config)
        self.start_supervisor(self.config)

    def start_supervisor(self, config: Path) -> None:
        with self.console.open("ab") as console:
            self.process = subprocess.Popen(
                [*self.program, "--config", str(config)],
                cwd=self.folder,
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                start_new_session=True,
            )

    def settled(self, deadline_s: float = DEADLINE_S) -> Status:
        """Wait until a colour serves at the edge and nothing is under way."""
        what = "a colour is active, ready and routed to, and no deployment is under way"
        return self.sees(is_settled, what, deadline_s)

    def sees(self, condition: Callable[[Status], object], what: str, deadline_s: float = DEADLINE_S) -> Status:
        """Wait until the status fulfils the condition. Raises Failed, at once when the supervisor is gone."""

        def look() -> Status | None:
            if not self.runs:
                raise Failed(f"the supervisor ended: {self.said()}")
            try:
                status = self.client.status()
            except SupervisorError:
                return None
            return status if condition(status) else None

        found = until(look, what, deadline_s)
        assert found is not None
        return found

    @property
    def runs(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def said(self) -> str:
        return self.console.read_text()

    # --- its end ------------------------------------------------------------------------------------------------------

    def exit_code(self, deadline_s: float = DEADLINE_S) -> int:
        """Wait for the supervisor's end."""
        assert self.process is not None
        return self.process.wait(deadline_s)

    def shut_down(self) -> int:
        """Ask for it; the supervisor's exit code."""
        list(self.client.shutdown())
        return self.exit_code()

    def end(self) -> None:
        """Shut it down if it runs. Raises Failed when anything is left of it, which is then killed."""
        try:
            if self.runs:
                self._end_supervisor()
        finally:
            left = end_all(self.folder)
            if self.process is not None:
                self.process.wait(DEADLINE_S)
        if left:
            raise Failed(f"left over: {left}")

    def _end_supervisor(self) -> None:
        assert self.process is not None
        if not self.state.control_socket.exists():
            self.process.terminate()  # it has only begun, and cannot be asked yet
            self.process.wait(DEADLINE_S)
            return
        if code := self.shut_down():
            raise Failed(f"the supervisor exited with {code}: {self.said()}")
        until(lambda: not processes_of(self.folder), "all processes of the service are gone", 10)

    def tails(self) -> str:
        """The ends of all its logs."""
        logs = [self.console, *sorted(self.state.logs.glob("*.log")), self.state.edge / "error.log"]
        return "\n".join(f"--- {log.name}\n{_tail(log)}" for log in logs if log.exists())


@contextmanager
def service_folder(make: type[AnyService], tables: Tables | None = None, **kind: Any) -> Iterator[AnyService]:
    """A service with a folder and ports, not started. `tables` change the configuration, `kind` are further fields."""
    folder = Path(tempfile.mkdtemp(prefix="msvc"))
    try:
        with reserved_ports(5) as ports:
            service = make(folder, _merged(_tables(ports), tables or {}), **kind)
            try:
                yield service
            except BaseException as error:
                error.add_note(service.tails())
                _end_after(error, service)
                raise
            service.end()
    finally:
        shutil.rmtree(folder)


def _end_after(error: BaseException, service: Service) -> None:
    """What is left does not hide why: who is interrupted while a process is being started has no time to know it."""
    try:
        service.end()
    except Failed as also:
        error.add_note(str(also))


def is_settled(status: Status) -> bool:
    if status.active is None or status.deployment is not None:
        return False
    ready = status.workers[status.active].state == "ready"
    return ready and status.edge.pid is not None and status.edge.routes_to == status.active


def _tables(ports: list[int]) -> dict[str, dict[str, Any]]:
    edge, blue, green, metrics, monitor = ports
    return {
        "model": {"threads": 1, "context_tokens": 1024},
        "edge": {"listen": f"127.0.0.1:{edge}"},
        "workers": {"blue_port": blue, "green_port": green, "stop_timeout_s": 20.0},
        "deploy": {"bake_s": 0.3, "ready_timeout_s": 30.0},
        "control": {"metrics_listen": f"127.0.0.1:{metrics}"},
        "monitor": {"listen": f"127.0.0.1:{monitor}"},
    }


def _merged(base: dict[str, dict[str, Any]], changes: Tables) -> dict[str, dict[str, Any]]:
    return {name: {**base.get(name, {}), **changes.get(name, {})} for name in {**base, **changes}}


def _tail(log: Path) -> str:
    lines = [line for line in log.read_text(errors="replace").splitlines() if '"event": "chat"' not in line]
    return "\n".join(lines[-LOG_LINES:])
