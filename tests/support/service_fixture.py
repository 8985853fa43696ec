"""A disposable service as tests use it: asked by its command line and over HTTP, with workers that may be fakes."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
from disposable import service as disposable
from disposable.processes import processes_of
from disposable.service import DEADLINE_S
from tests.fake_worker import BEHAVIOUR_ENV

from supervisor.protocol import Color, DeploymentStatus, Status

ROOT = Path(__file__).parents[2]  # whence programs of the tests import the rest of them


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
class Service(disposable.Service):
    # --- where it is --------------------------------------------------------------------------------------------------

    @property
    def behaviour(self) -> Path:
        """What fake workers are told."""
        return self.folder / "behaviour.json"

    @property
    def page_url(self) -> str:
        return f"http://{self.tables['control']['metrics_listen']}"

    def worker_url(self, color: str) -> str:
        return f"http://127.0.0.1:{self.tables['workers'][f'{color}_port']}"

    @property
    def env(self) -> dict[str, str]:
        own = {
            BEHAVIOUR_ENV: str(self.behaviour),
            "PYTHONPATH": os.pathsep.join((str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")]))),
        }
        return {**super().env, **own, **self.environment}

    # --- its supervisor -----------------------------------------------------------------------------------------------

    def up(self) -> Status:
        """Start a supervisor and wait until a colour serves and nothing is being deployed."""
        self.launch()
        return self.settled()

    def kill_supervisor(self) -> None:
        """As if it had crashed; its children go on."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(DEADLINE_S)

    def worker_pids(self) -> list[int]:
        """Of both colours, whoever started them."""
        return [process.pid for process in processes_of(self.folder) if "--worker-id" in process.cmdline()]

    # --- what is asked of it ------------------------------------------------------------------------------------------

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


@contextmanager
def service_folder(**kind: Any) -> Iterator[Service]:
    """A service with a folder and ports, not started. `tables` change the configuration."""
    with disposable.service_folder(Service, **kind) as service:
        yield service


@contextmanager
def running_service(**kind: Any) -> Iterator[Service]:
    """A service that serves."""
    with service_folder(**kind) as service:
        service.up()
        yield service


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
