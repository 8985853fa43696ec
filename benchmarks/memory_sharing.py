"""What two workers on one model file hold: RSS, USS and PSS of each, and what they hold together.

    python -m benchmarks.memory_sharing MODEL.gguf [--context-tokens 2048]

Both workers serve a prompt first, so that all weights are in memory. PSS counts each shared page in parts, so that its
sum is what the two cost the machine (Linux only).
"""

import argparse
import asyncio
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import httpx
import psutil
from rich.console import Console
from rich.table import Table

from supervisor.config import ModelSection
from supervisor.core import ledger
from supervisor.core.state import Change, Color
from supervisor.releases import model_file
from supervisor.releases.store import Release, ReleaseStore
from supervisor.steps.admission import changed
from supervisor.workers.process import WorkerCommand

READY_TIMEOUT_S = 120.0
PROMPT = {"message": "Tell me a story.", "max_tokens": 8, "temperature": 0.0}


def main() -> int:
    options = parse()
    section = changed(ModelSection(), Change(options.model, {"model.context_tokens": options.context_tokens}))
    with tempfile.TemporaryDirectory(prefix="modelsvc-") as folder, ExitStack() as stack:
        ports = dict(zip(Color, options.ports, strict=True))
        processes = {color: start(color, port, Path(folder), section, stack) for color, port in ports.items()}
        for port in ports.values():
            serve_once(port)
        show(processes, section)
    return 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="memory of two workers on one model file")
    parser.add_argument("model", help="GGUF file")
    parser.add_argument("--context-tokens", type=int, default=2048)
    parser.add_argument("--ports", type=int, nargs=2, default=(28000, 28001))
    return parser.parse_args()


def start(color: Color, port: int, folder: Path, section: ModelSection, stack: ExitStack) -> psutil.Process:
    """A worker as the supervisor starts it, ended with the stack."""
    store = ReleaseStore(folder)
    identity = asyncio.run(model_file.identify(Path(section.path).absolute()))
    settings = {**section.model_dump(exclude={"path"}), "allowed_hosts": ["127.0.0.1"]}
    store.write(Release(1, "2026-01-01T00:00:00Z", "benchmark", identity, settings))
    command = WorkerCommand(color, f"{color}-1", port, store.path(1), folder / "chat.db")
    process = psutil.Popen(command.argv(), stderr=(folder / f"{color}.log").open("wb"))
    stack.callback(process.wait)
    stack.callback(process.terminate)
    return process


def serve_once(port: int) -> None:
    """Wait until the worker is ready, and have it answer."""
    deadline = time.monotonic() + READY_TIMEOUT_S
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=READY_TIMEOUT_S) as client:
        while not ready(client):
            if time.monotonic() > deadline:
                sys.exit(f"the worker on port {port} is not ready after {READY_TIMEOUT_S:g} s")
            time.sleep(0.1)
        client.post("/chat", json=PROMPT).raise_for_status()


def ready(client: httpx.Client) -> bool:
    try:
        return client.get("/ready").status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def show(processes: dict[Color, psutil.Process], section: ModelSection) -> None:
    """The figures in units of 10^6 bytes, and the ledger's forecast beside them."""
    table = Table("worker", "RSS MB", "USS MB", "PSS MB", title=f"{section.path}, context {section.context_tokens}")
    total = 0
    for color, process in processes.items():
        memory = process.memory_full_info()
        pss = getattr(memory, "pss", 0)
        total += pss
        table.add_row(color, *(f"{number / 1e6:,.0f}" for number in (memory.rss, memory.uss, pss)))
    table.add_row("sum", "", "", f"{total / 1e6:,.0f}")
    console = Console()
    console.print(table)
    shape = asyncio.run(model_file.inspect(Path(section.path)))
    needed = ledger.forecast(shape, section.context_tokens, section.kv_cache)
    console.print(f"the ledger's forecast of a worker's own bytes: {ledger.mb(needed.private_bytes)} ({needed})")


if __name__ == "__main__":
    sys.exit(main())
