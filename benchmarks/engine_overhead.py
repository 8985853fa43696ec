"""What a decode step costs beside llama.cpp's own work: seconds from the end of one decode to the begin of the next.

    python -m benchmarks.engine_overhead [--sequences 1 8] [--tokens 400]

A tiny model with random weights in this process, greedy answers, all of them read on the asyncio loop as the worker
does. Only steps count that carry one token of each sequence and follow another such. What is measured contains drawing
the tokens, which grows with the vocabulary.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from random import Random
from statistics import median
from typing import Any, NamedTuple

from benchmarks.closed_loop import quantile
from benchmarks.servers import load_average
from loadtest.words import words
from rich.console import Console
from rich.table import Table
from tools.random_gguf import Shape, write_random_gguf

from modelsvc.engine.engine import Engine
from modelsvc.engine.library import lib
from modelsvc.engine.types import ChatPrompt, EngineOptions, GenerationRequest, Message, Sampling


class Decoded(NamedTuple):
    """A call of llama_decode."""

    tokens: int
    began: float
    ended: float


def main() -> int:
    options = parse()
    with tempfile.TemporaryDirectory(prefix="b") as folder:
        path = Path(folder) / "tiny.gguf"
        write_random_gguf(Shape(vocabulary=options.vocabulary, context=8192), "F16", 1, path)
        found = {count: steps(path, count, options.tokens) for count in options.sequences}
    show(found)
    return 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="the engine's own cost of a decode step")
    parser.add_argument("--sequences", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--tokens", type=int, default=400, help="of each answer")
    parser.add_argument("--vocabulary", type=int, default=300)
    return parser.parse_args()


def steps(model: Path, sequences: int, tokens: int) -> list[tuple[Decoded, Decoded]]:
    """Neighbouring decodes of one token for each sequence."""
    options = EngineOptions(8192, 8, threads=1, gpu_layers=0, kv_cache="f16", queue_limit=64)
    engine = Engine.load(str(model), options, lambda _: True)
    with timed() as calls:
        asyncio.run(answer_all(engine, sequences, tokens))
    return [(one, other) for one, other in pairwise(calls) if one.tokens == other.tokens == sequences]


@contextmanager
def timed() -> Iterator[list[Decoded]]:
    """llama_decode notes when it ran."""
    calls: list[Decoded] = []
    decode = lib.llama_decode

    def noting(context: Any, batch: Any) -> int:
        began = time.perf_counter()
        code: int = decode(context, batch)
        calls.append(Decoded(batch.n_tokens, began, time.perf_counter()))
        return code

    lib.llama_decode = noting
    try:
        yield calls
    finally:
        lib.llama_decode = decode


async def answer_all(engine: Engine, sequences: int, tokens: int) -> None:
    await asyncio.gather(*(answer(engine, number, tokens) for number in range(sequences)))
    await engine.close()


async def answer(engine: Engine, number: int, tokens: int) -> None:
    prompt = ChatPrompt((Message("user", words(Random(number), 16)),))
    request = GenerationRequest(prompt, tokens, Sampling(temperature=0))
    async for _ in await engine.submit(request):
        pass


def show(found: dict[int, list[tuple[Decoded, Decoded]]]) -> None:
    columns = ("steps", "in llama_decode ms", "beside it ms, median", "p95", "max")
    table = Table("sequences", *columns, title=load_average())
    for count, pairs in found.items():
        inside = median(one.ended - one.began for one, _ in pairs)
        beside = [other.began - one.ended for one, other in pairs]
        told = (inside, median(beside), quantile(beside, 0.95), max(beside))
        table.add_row(str(count), str(len(pairs)), *(f"{1000 * seconds:.3f}" for seconds in told))
    Console(width=120).print(table)


if __name__ == "__main__":
    sys.exit(main())
