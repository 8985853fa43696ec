"""Servers to measure: a worker of ours, a command that starts another one, or one that runs already."""

import argparse
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
from disposable.ports import free_port
from disposable.worker import Worker, release_record, running_worker, write_release

READY_TIMEOUT_S = 180.0


@dataclass(frozen=True, slots=True)
class Server:
    """`process` is None when it was not started here."""

    name: str
    url: str
    process: psutil.Process | None = None

    def cpu_s(self) -> float:
        """Processor time so far, its children's included; 0 when it was not started here."""
        if self.process is None:
            return 0.0
        family = [self.process, *self.process.children(recursive=True)]
        return sum(times.user + times.system for times in (process.cpu_times() for process in family))

    def report(self) -> dict[str, Any]:
        """Of a worker of ours: its /health/deep."""
        found: dict[str, Any] = httpx.get(f"{self.url}/health/deep", timeout=READY_TIMEOUT_S).json()
        return found


def add_servers(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", type=Path, help="GGUF file")
    parser.add_argument("--ours", default="worker", help="`worker` starts one; or a URL; or `none`")
    parser.add_argument("--other", help="another endpoint: a command with {model} and {port}, or a URL")
    parser.add_argument("--name", default="other", help="what to call it")
    parser.add_argument("--ready", default="/health", help="where it answers 200 when it is ready")
    parser.add_argument("--context-tokens", type=int, default=8192, help="of our worker")
    parser.add_argument("--slots", type=int, default=8, help="of our worker")
    parser.add_argument("--threads", type=int, default=2, help="of our worker")


def start(options: argparse.Namespace, stack: ExitStack) -> list[Server]:
    """Ours and the other one, as far as they are wanted; they end with the stack, also when this is terminated."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))
    servers = []
    if options.ours == "worker":
        settings = {name: getattr(options, name) for name in ("context_tokens", "slots", "threads")}
        servers.append(stack.enter_context(worker(options.model, **settings)))
    elif options.ours != "none":
        servers.append(Server("ours", options.ours.rstrip("/")))
    if options.other:
        servers.append(stack.enter_context(other(options.name, options.other, options.model, options.ready)))
    return servers


@contextmanager
def worker(model: Path, **settings: Any) -> Iterator[Server]:
    """A worker of ours; `settings` are its release's."""
    with tempfile.TemporaryDirectory(prefix="b") as name:
        folder = Path(name)
        release = write_release(folder, release_record(model.absolute(), **settings))
        with running_worker(Worker, folder, release) as started:
            server = Server("ours", started.url, psutil.Process(started.process.pid))
            wait_ready(server, "/ready", started.errors)
            yield server


@contextmanager
def other(name: str, command: str, model: Path, ready: str) -> Iterator[Server]:
    """What `command` starts, or what serves at it when it is a URL."""
    if command.startswith(("http://", "https://")):
        yield Server(name, command.rstrip("/"))
        return
    port = free_port()
    arguments = shlex.split(command.format(model=shlex.quote(str(model.absolute())), port=port))
    with tempfile.NamedTemporaryFile(prefix="b", suffix=".log") as log:
        process = psutil.Popen(arguments, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        try:
            server = Server(name, f"http://127.0.0.1:{port}", process)
            wait_ready(server, ready, Path(log.name))
            yield server
        finally:
            process.terminate()
            process.wait()


def wait_ready(server: Server, path: str, log: Path) -> None:
    """Ends the program when the server ends or is not ready in time."""
    deadline = time.monotonic() + READY_TIMEOUT_S
    while not answers(server.url + path):
        ended = server.process is None or not server.process.is_running()
        if ended or time.monotonic() > deadline:
            sys.exit(f"{server.name} is not ready; it said:\n{log.read_text(errors='replace')[-2000:]}")
        time.sleep(0.1)


def answers(url: str) -> bool:
    with suppress(httpx.TransportError):
        return httpx.get(url, timeout=READY_TIMEOUT_S).status_code == httpx.codes.OK
    return False
