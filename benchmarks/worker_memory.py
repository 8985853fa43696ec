"""What a worker holds beyond weights, KV cache and compute buffers: its private memory, at rest and after load.

    python -m benchmarks.worker_memory MODEL.gguf [--context-tokens 8192] [--slots 8]

The sizes of the buffers are those of llama.cpp's own log, from a context of the same settings in a process of its own.
A buffer of which not all was used yet takes less than its size, so that what is beyond them is told too small at rest.
"""

import argparse
import asyncio
import re
import sys
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from multiprocessing import get_context
from pathlib import Path

from benchmarks.chat_client import add_load
from benchmarks.closed_loop import Run
from benchmarks.load import Load
from benchmarks.machine import load_average
from benchmarks.servers import Server, add_servers, start
from rich.console import Console
from rich.table import Table

from modelsvc.engine.types import EngineOptions
from supervisor.memory import usage

_BUFFER = re.compile(r"(?P<kind>KV|compute|output) +buffer size = +(?P<mib>[\d.]+) MiB")
ROUNDS = 3


def main() -> int:
    options = parse()
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        buffers = pool.submit(sizes, options.model, options.context_tokens, options.slots, options.threads).result()
    with ExitStack() as stack:
        server = start(options, stack)[0]
        held = {"at rest": private(server)}
        for number in range(ROUNDS):
            load = Load(options.slots, 2 * options.slots, options.prompt_words, options.tokens, seed=str(number))
            asyncio.run(Run(load).against(server.url))
            held[f"after {(number + 1) * load.requests} requests"] = private(server)
    show(held, buffers)
    return 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="a worker's memory beyond weights and buffers")
    add_servers(parser)
    add_load(parser)
    return parser.parse_args()


def sizes(model: Path, context_tokens: int, slots: int, threads: int) -> dict[str, int]:
    """Bytes of each kind of buffer that is private to the process."""
    from modelsvc.engine import context
    from modelsvc.engine.library import captured_log, lib
    from modelsvc.engine.model import Model

    loaded = Model.mapped(str(model), 0, lambda _: True)
    options = EngineOptions(context_tokens, slots, threads, gpu_layers=0, kv_cache="f16", queue_limit=64)
    with captured_log() as log:  # a Context keeps its log to itself
        lib.llama_init_from_model(loaded.handle, context._context_params(loaded, options))
    found = {"weights": loaded.buffers.copied_bytes}
    for match in filter(None, (_BUFFER.search(line) for _, line in log)):
        found[match["kind"]] = found.get(match["kind"], 0) + round(float(match["mib"]) * 2**20)
    return found


def private(server: Server) -> int:
    """What the process alone holds; on Linux without the pages of the model file, which are not its own."""
    found = usage.measure(server.process)
    if found is None:
        raise SystemExit(f"{server.name} is gone, or not of this machine")
    return found.private_bytes


def show(held: dict[str, int], buffers: dict[str, int]) -> None:
    known = sum(buffers.values())
    table = Table("MB", "private", *buffers, "beyond them", title=load_average())
    for when, size in held.items():
        table.add_row(when, *(f"{number / 1e6:,.0f}" for number in (size, *buffers.values(), size - known)))
    Console(width=120).print(table)


if __name__ == "__main__":
    sys.exit(main())
