"""Every kind of client at once against a worker or a service on this machine, for a bounded time.

    python -m loadtest.mixed_run http://127.0.0.1:8080 [--seconds 600] [--clients 12] [--crowd 90]
    python -m loadtest.mixed_run http://127.0.0.1:8080 --abandon 200

Streams and plain requests, some of which are left while they wait, are read or are answered; prompts that do not fit;
and now and then a crowd that is larger than the queue. Ends with 1 when an answer was not a documented one, when one of
the expected outcomes never came, or when not all slots and places are free soon after the end; memory is for you to
judge: its first minute warms up and does not count.
"""

import argparse
import asyncio
import itertools
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import astuple
from random import Random

import httpx
from loadtest.interfaces import interfaces
from loadtest.lookout import Look, becomes_free, look_often, trend
from loadtest.visitors import KINDS, LEAVING, Party
from rich.console import Console
from rich.table import Table

TIMEOUT_S = 120.0
FREE_WITHIN_S = 10.0
CROWD_EVERY_S = 60.0
EXPECTED = (
    "stream: answered",
    "plain: answered",
    "leave answering: left while it was answered",
    "leave early: left before it was answered",
    "too long: refused with counts",
)


def main() -> int:
    options = parse()
    looks: list[Look] = []
    party, last = asyncio.run(run(options, looks))
    missing = (
        [] if options.abandon else [outcome for outcome in expected(party, options) if not party.outcomes[outcome]]
    )
    show(party, looks, last, missing, options.warm_up)
    return int(bool(party.undocumented or missing or not last.free))


def expected(party: Party, options: argparse.Namespace) -> list[str]:
    """Outcomes without which the run has not shown what it should."""
    turned_away = [f"turned away by {interface.path}" for interface in party.interfaces]
    return [*EXPECTED, *turned_away] if options.crowd else [*EXPECTED]


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="every kind of client at once")
    parser.add_argument("url", help="of a worker, or of a service's edge, on this machine")
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--clients", type=int, default=12)
    parser.add_argument("--tokens", type=int, default=32, help="of an answer that is read to its end")
    parser.add_argument("--crowd", type=int, default=90, help="how many come at once each minute; 0 for none")
    parser.add_argument("--abandon", type=int, default=0, metavar="N", help="only N requests that are all left")
    parser.add_argument("--every", type=float, default=1.0, help="seconds between looks at memory and slots")
    parser.add_argument("--warm-up", type=float, default=60.0, help="seconds of which memory does not count")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


async def run(options: argparse.Namespace, looks: list[Look]) -> tuple[Party, Look]:
    """What came of it, and what the worker held soon after."""
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=options.url, timeout=TIMEOUT_S, limits=limits) as http:
        report = (await http.get("/health/deep")).raise_for_status().json()
        context = report["model"]["context_tokens"]
        party = Party(http, await interfaces(http), context, options.tokens, Random(options.seed))
        looking = asyncio.create_task(look_often(http, options.every, looks.append))
        await (abandon(party, options.abandon, options.clients) if options.abandon else mix(party, options))
        last = await becomes_free(http, FREE_WITHIN_S)
        looking.cancel()
        with suppress(asyncio.CancelledError):
            await looking  # a failure of it is ours
    return party, last


async def abandon(party: Party, count: int, clients: int) -> None:
    """So many visits that all leave, in each of the ways in turn."""
    kinds = itertools.islice(itertools.cycle(LEAVING), count)

    async def client() -> None:
        for kind in kinds:
            await party.visit(kind)

    await asyncio.gather(*(client() for _ in range(clients)))


async def mix(party: Party, options: argparse.Namespace) -> None:
    end = time.monotonic() + options.seconds

    async def client(number: int) -> None:
        for kind in itertools.islice(itertools.cycle(KINDS), number, None):
            if time.monotonic() >= end:
                return
            await party.visit(kind)

    async def crowds() -> None:
        while options.crowd and time.monotonic() < end:
            await asyncio.gather(*(party.visit(party.random.choice(LEAVING)) for _ in range(options.crowd)))
            await asyncio.sleep(max(0.0, min(CROWD_EVERY_S, end - time.monotonic())))

    await asyncio.gather(crowds(), *(client(number) for number in range(options.clients)))


def show(party: Party, looks: Sequence[Look], last: Look, missing: Sequence[str], warm_up_s: float) -> None:
    console = Console(width=120)
    table = Table("outcome", "requests")
    for outcome, count in sorted(party.outcomes.items()):
        table.add_row(outcome, str(count))
    console.print(table)
    counted = [found for found in looks if found.at_s - looks[0].at_s >= warm_up_s]
    if len(counted) >= 3:
        console.print(trends(counted))
    most = max(found.answering for found in looks), max(found.waiting for found in looks)
    console.print(f"most at once: {most[0]} answered, {most[1]} waiting")
    console.print(f"at the end {'all slots and places are free' if last.free else f'not all is free: {last}'}")
    for outcome in missing:
        console.print(f"never: {outcome}")
    for wrong in party.undocumented:
        console.print(f"undocumented: {wrong}", markup=False)


def trends(looks: Sequence[Look]) -> Table:
    times = [found.at_s for found in looks]
    table = Table("", "begin", "middle", "end", "a minute", title=f"{len(looks)} looks")
    series: dict[str, Sequence[float]] = {
        "private MB": [found.private_bytes / 1e6 for found in looks],
        "open files": [found.files for found in looks],
    }
    for name, values in series.items():
        table.add_row(name, *(f"{value:.2f}" for value in astuple(trend(times, values))))
    return table


if __name__ == "__main__":
    sys.exit(main())
