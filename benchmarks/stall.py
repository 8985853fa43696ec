"""How long a running stream stalls while a long prompt arrives, beside its usual time between tokens.

    python -m benchmarks.stall MODEL.gguf [--long-words 2000] [--streams 1]

The usual time is the median before the prompt was sent; the stall is the longest gap of any stream from then until the
prompt's first token. With `--other`, the same of another endpoint, in turn.
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median

from benchmarks.closed_loop import Answer, Endpoint, Failed
from benchmarks.load import Load
from benchmarks.servers import Server, add_servers, load_average, start
from benchmarks.turns import add_turns
from rich.console import Console
from rich.table import Table

BEFORE = 24  # tokens of each stream
DEADLINE_S = 300.0


@dataclass(frozen=True, slots=True)
class Stall:
    """`usual_s` before the prompt was sent; `during_s` the median from then on, and `longest_s` the longest gap."""

    server: str
    usual_s: float
    during_s: float
    longest_s: float
    first_token_s: float
    prompt_tokens: int
    pieces: int  # that came meanwhile

    @property
    def ratio(self) -> float:
        return self.longest_s / self.usual_s


def main() -> int:
    options = parse()
    with ExitStack() as stack:
        servers = start(options, stack)
        found = [asyncio.run(once(server, n, options)) for n in range(options.rounds) for server in servers]
    show(found, options.json)
    return 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="the stall of running streams while a long prompt arrives")
    add_servers(parser)
    add_turns(parser)
    parser.add_argument("--streams", type=int, default=1)
    parser.add_argument("--long-words", type=int, default=2000)
    return parser.parse_args()


class Streams:
    """Answers that grow meanwhile. Leaving hangs up."""

    def __init__(self, endpoint: Endpoint, load: Load) -> None:
        self.answers = [Answer(time.monotonic()) for _ in range(load.clients)]
        self._asked = [
            asyncio.create_task(endpoint.ask(load.body(number), answer)) for number, answer in enumerate(self.answers)
        ]

    async def __aenter__(self) -> "Streams":
        return self

    async def __aexit__(self, *_: object) -> None:
        for asked in self._asked:
            asked.cancel()
        await asyncio.gather(*self._asked, return_exceptions=True)

    async def all_said(self, pieces: int) -> None:
        """Raises Failed when a stream ends before."""
        while any(len(answer.came) < pieces for answer in self.answers):
            for asked in self._asked:
                if asked.done():
                    raise Failed(f"a stream ended after {asked.result().tokens} tokens")
            await asyncio.sleep(0.005)

    def gaps(self, begin: float, end: float) -> list[float]:
        """Those of which a part lies in that time."""
        pairs = (pair for answer in self.answers for pair in pairwise(answer.came))
        return [late - early for early, late in pairs if late > begin and early < end]


async def once(server: Server, number: int, options: argparse.Namespace) -> Stall:
    """Start the streams, and send the long prompt."""
    load = Load(options.streams, prompt_words=16, tokens=4096 // options.streams, seed=str(number))
    long = Load(prompt_words=options.long_words, tokens=4, seed=f"long {number}")
    async with (
        asyncio.timeout(DEADLINE_S),
        Endpoint(server.url) as endpoint,
        Streams(endpoint, load) as streams,
    ):
        await streams.all_said(BEFORE)
        last = await endpoint.ask(long.body(0))
        await streams.all_said(1 + max(len(answer.came) for answer in streams.answers))
        return judged(server.name, streams, last)


def judged(server: str, streams: Streams, last: Answer) -> Stall:
    all_began = max(answer.came[0] for answer in streams.answers)
    during = streams.gaps(last.sent, last.came[0])
    return Stall(
        server=server,
        usual_s=median(streams.gaps(all_began, last.sent)[:-1]),
        during_s=median(during),
        longest_s=max(during),
        first_token_s=last.first_s,
        prompt_tokens=last.prompt_tokens,
        pieces=len(during),
    )


def show(found: Sequence[Stall], told: Path | None) -> None:
    columns = ("usual ms", "during ms", "longest ms", "ratio", "long one's first token s", "its tokens", "pieces")
    table = Table("server", *columns, title=load_average())
    for one in found:
        times = (f"{1000 * seconds:.0f}" for seconds in (one.usual_s, one.during_s, one.longest_s))
        rest = (f"{one.ratio:.2f}", f"{one.first_token_s:.2f}", str(one.prompt_tokens), str(one.pieces))
        table.add_row(one.server, *times, *rest)
    Console(width=140).print(table)
    if told:
        with told.open("a") as file:
            file.writelines(json.dumps(asdict(one) | {"ratio": one.ratio}) + "\n" for one in found)


if __name__ == "__main__":
    sys.exit(main())
