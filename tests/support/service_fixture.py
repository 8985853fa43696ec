"""A real supervisor in a folder and on ports of its own, of which nothing is left afterwards."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
import tomli_w
from tests.fake_worker import BEHAVIOUR_ENV
from tests.support.service_ports import reserved_ports
from tests.support.service_processes import end_all, processes_of, until

from supervisor.client import ControlClient
from supervisor.errors import SupervisorError
from supervisor.paths import StatePaths
from supervisor.protocol import Color, DeploymentStatus, Status

SUPERVISOR = (sys.executable, "-P", "-m", "supervisor")
ROOT = Path(__file__).parents[2]  # whence programs of the tests import the rest of them
DEADLINE_S = 40.0
LOG_LINES = 20  # requests are left out

Tables = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Ran:
    """How a command ended and what it said."""

    code: int
    out: str
    err: str

    @property
    def events(self) -> list[dict[str, Any]]:
        """What it printed with `--json`, a line each."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def last(self) -> dict[str, Any]:
        return self.events[-1]


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
    def behaviour(self) -> Path:
        """What fake workers are told."""
        return self.folder / "behaviour.json"

    @property
    def url(self) -> str:
        return f"http://{self.tables['edge']['listen']}"

    @property
    def page_url(self) -> str:
        return f"http://{self.tables['control']['metrics_listen']}"

    def worker_url(self, color: str) -> str:
        return f"http://127.0.0.1:{self.tables['workers'][f'{color}_port']}"

    @property
    def env(self) -> dict[str, str]:
        own = {
            "MODELSVC_HOME": str(self.state.root),
            "MODELSVC_CONFIG": str(self.config),
            BEHAVIOUR_ENV: str(self.behaviour),
            "PYTHONPATH": os.pathsep.join((str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")]))),
        }
        return {**os.environ, **own, **self.environment}

    # --- its supervisor -----------------------------------------------------------------------------------------------

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

    def up(self) -> Status:
        """Start a supervisor and wait until a colour serves and nothing is being deployed."""
        self.launch()
        return self.settled()

    def settled(self) -> Status:
        """Wait until a colour serves at the edge and nothing is under way."""
        return self.sees(is_settled, "a colour is active, ready and routed to, and no deployment is under way")

    def sees(self, condition: Callable[[Status], object], what: str, deadline_s: float = DEADLINE_S) -> Status:
        """Wait until the status fulfils the condition; fail at once when the supervisor is gone."""

        def look() -> Status | None:
            assert self.process is not None and self.process.poll() is None, f"the supervisor ended: {self.said()}"
            try:
                status = self.client.status()
            except SupervisorError:
                return None
            return status if condition(status) else None

        found = until(look, what, deadline_s)
        assert found is not None
        return found

    def kill_supervisor(self) -> None:
        """As if it had crashed; its children go on."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(DEADLINE_S)

    def exit_code(self, deadline_s: float = DEADLINE_S) -> int:
        """Wait for the supervisor's end."""
        assert self.process is not None
        return self.process.wait(deadline_s)

    def worker_pids(self) -> list[int]:
        """Of both colours, whoever started them."""
        return [process.pid for process in processes_of(self.folder) if "--worker-id" in process.cmdline()]

    def said(self) -> str:
        return self.console.read_text()

    # --- what is asked of it ------------------------------------------------------------------------------------------

    @property
    def client(self) -> ControlClient:
        return ControlClient(self.state.control_socket, timeout_s=20)

    def status(self) -> Status:
        return self.client.status()

    def history(self) -> list[DeploymentStatus]:
        return self.client.history()

    def run(self, *arguments: str | Path) -> Ran:
        """The command line, as a process."""
        command = [sys.executable, "-m", "modelsvc", *map(str, arguments)]
        done = subprocess.run(command, cwd=self.folder, env=self.env, capture_output=True, text=True, timeout=100)
        return Ran(done.returncode, done.stdout, done.stderr)

    def ctl(self, *arguments: str | Path) -> Ran:
        return self.run("ctl", *arguments)

    def does(self, operation: str, *arguments: object) -> None:
        """An operation that must succeed, asked for without the command line."""
        *_, finished = getattr(self.client, operation)(*arguments)
        assert finished.outcome == "succeeded", finished

    @contextmanager
    def watching(self, *arguments: str | Path) -> Iterator[Iterator[dict[str, Any]]]:
        """`ctl` in the background, with its events as they come; it is awaited at the end."""
        command = [sys.executable, "-m", "modelsvc", "ctl", *map(str, arguments), "--json"]
        streams: Any = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
        with subprocess.Popen(command, cwd=self.folder, env=self.env, **streams) as process:
            assert process.stdout is not None
            yield map(json.loads, process.stdout)

    def chat(self, message: str, user: str | None = None) -> httpx.Response:
        path = f"/chat/{user}" if user else "/chat"
        body = {"message": message, "temperature": 0}
        return httpx.post(self.url + path, json=body, timeout=DEADLINE_S, trust_env=False)

    def get(self, path: str, color: str | None = None) -> httpx.Response:
        """From the edge, or from one worker."""
        base = self.worker_url(color) if color else self.url
        return httpx.get(base + path, timeout=DEADLINE_S, trust_env=False)

    def routes_to(self) -> str:
        """The colour whose marker is there, or nobody."""
        (marker,) = (self.state.edge / "route").iterdir()
        return marker.name

    # --- its end ------------------------------------------------------------------------------------------------------

    def shut_down(self) -> int:
        """Ask for it; the supervisor's exit code."""
        list(self.client.shutdown())
        return self.exit_code()

    def end(self) -> None:
        """Shut it down if it runs; fail when anything is left of it, which is then killed."""
        try:
            if self.process is not None and self.process.poll() is None and not self.state.control_socket.exists():
                self.process.terminate()  # it has only begun, and cannot be asked yet
                self.process.wait(DEADLINE_S)
            elif self.process is not None and self.process.poll() is None:
                assert self.shut_down() == 0, self.said()
                until(lambda: not processes_of(self.folder), "all processes of the service are gone", 10)
        finally:
            left = end_all(self.folder)
            if self.process is not None:
                self.process.wait(DEADLINE_S)
        assert not left, f"left over: {left}"

    def tails(self) -> str:
        """The ends of all its logs."""
        logs = [self.console, *sorted(self.state.logs.glob("*.log")), self.state.edge / "error.log"]
        return "\n".join(f"--- {log.name}\n{_tail(log)}" for log in logs if log.exists())


@contextmanager
def service_folder(make: "type[Service] | None" = None, **kind: Any) -> Iterator[Service]:
    """A service with a folder and ports, not started. `tables` change the configuration."""
    folder = Path(tempfile.mkdtemp(prefix="msvc"))
    tables: Tables = kind.pop("tables", {})
    try:
        with reserved_ports(5) as ports:
            service = (make or Service)(folder, _merged(_tables(ports), tables), **kind)
            try:
                yield service
            except BaseException as error:
                error.add_note(service.tails())
                raise
            finally:
                service.end()
    finally:
        shutil.rmtree(folder)


@contextmanager
def running_service(**kind: Any) -> Iterator[Service]:
    """A service that serves."""
    with service_folder(**kind) as service:
        service.up()
        yield service


def is_settled(status: Status) -> bool:
    if status.active is None or status.deployment is not None:
        return False
    ready = status.workers[status.active].state == "ready"
    return ready and status.edge.pid is not None and status.edge.routes_to == status.active


def passed(events: Iterator[dict[str, Any]], step: str, state: str) -> None:
    """Read on until the step is in that state."""
    seen = (event["step"] for event in events if event["event"] == "step")
    assert any((found["name"], found["state"]) == (step, state) for found in seen), f"{step} never was {state}"


@contextmanager
def streaming(service: Service) -> Iterator[Iterator[str]]:
    """A streamed answer that has begun; its further lines."""
    body = {"message": "Talk.", "temperature": 1.0, "max_tokens": 400, "stream": True}
    with httpx.stream("POST", f"{service.url}/chat", json=body, timeout=90, trust_env=False) as response:
        lines = response.iter_lines()
        assert next(lines) == "event: token"
        yield lines


@contextmanager
def suspended(service: Service, color: str) -> Iterator[None]:
    """The worker stands still, so that its answers last as long as the test wants."""
    process = psutil.Process(service.status().workers[Color(color)].pid)
    process.suspend()
    try:
        yield
    finally:
        process.resume()


def other(color: Color | None) -> Color:
    assert color is not None
    return color.other


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
