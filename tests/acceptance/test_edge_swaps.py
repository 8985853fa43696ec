"""Swapping the edge between two colours under closed-loop keep-alive clients that never retry."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from tests.support.edge_backend import edge_backend
from tests.support.edge_client import StrictClient
from tests.support.edge_fixture import NGINX, running_edge

from supervisor.core.state import Color
from supervisor.edge import Edge
from supervisor.nginx.command import inspect
from supervisor.nginx.config import Version
from supervisor.nginx.reload import PlainReload
from supervisor.patience import eventually

SWAPS = 40
CONTROL_SWAPS = 4
OLDER: Version = (1, 22, 1)
QUICK, THINKING, SLOW, STREAMING = 4, 20, 4, 4
EVENTS, GAP_S = 8, 0.01
PAUSING, PAUSE_S, PAUSING_SWAPS = 8, 1.0, 4

Act = Callable[["Load", StrictClient, int], Awaitable[None]]


@dataclass
class Load:
    """What the clients saw."""

    port: int
    answers: Counter[str] = field(default_factory=Counter)  # by colour
    failures: list[str] = field(default_factory=list)
    stopping: bool = False

    async def client(self, act: Act, name: int) -> None:
        client = StrictClient(self.port)
        number = 0
        while not self.stopping:
            number += 1
            try:
                await act(self, client, name * 1_000_000 + number)
            except (OSError, EOFError, ValueError, AssertionError) as error:
                self.failures.append(f"{act.__name__}: {error!r}")
                await client.close()
        await client.close()


async def quick(load: Load, client: StrictClient, number: int) -> None:
    await echo(load, client, "/echo", number)


async def thinking(load: Load, client: StrictClient, number: int) -> None:
    await echo(load, client, "/echo", number)
    await asyncio.sleep(0.05)


async def pausing(load: Load, client: StrictClient, number: int) -> None:
    await echo(load, client, "/echo", number)
    await asyncio.sleep(PAUSE_S)


async def slow(load: Load, client: StrictClient, number: int) -> None:
    await echo(load, client, "/slow?seconds=0.05", number)


async def streaming(load: Load, client: StrictClient, number: int) -> None:
    answer = await client.request("POST", f"/stream?events={EVENTS}&gap={GAP_S}", b"%d" % number)
    assert answer.status == 200, answer
    assert answer.body.count(b"data: ") == EVENTS, answer
    load.answers[answer.headers["x-modelsvc-color"]] += 1


async def echo(load: Load, client: StrictClient, target: str, number: int) -> None:
    body = b'{"message": "%d"}' % number
    answer = await client.request("POST", target, body)
    assert (answer.status, answer.body) == (200, body), answer
    load.answers[answer.headers["x-modelsvc-color"]] += 1


ACTS = [quick] * QUICK + [thinking] * THINKING + [slow] * SLOW + [streaming] * STREAMING


@asynccontextmanager
async def traffic(port: int, acts: Sequence[Act] = ACTS) -> AsyncIterator[Load]:
    load = Load(port)
    clients = [asyncio.create_task(load.client(act, name)) for name, act in enumerate(acts)]
    try:
        yield load
    finally:
        load.stopping = True
        await asyncio.gather(*clients)


async def swap(edge: Edge) -> None:
    color = (edge.read_route() or Color.GREEN).other
    edge.write_route(color)
    await edge.test_config()
    await edge.reload()
    async with StrictClient(edge.address.port) as client:
        assert (await client.request("GET", "/echo")).headers["x-modelsvc-color"] == color


@asynccontextmanager
async def both_colors() -> AsyncIterator[dict[Color, int]]:
    async with edge_backend(Color.BLUE) as blue, edge_backend(Color.GREEN) as green:
        yield {Color.BLUE: blue, Color.GREEN: green}


@pytest.mark.parametrize("as_version", [None, OLDER], ids=["installed kind", "older kind"])
async def test_forty_swaps_lose_nothing_and_plain_reloads_do(as_version: Version | None) -> None:
    """Every request is answered whole while the edge changes colour; the same load notices a plain reload."""
    if as_version is None and (await inspect(NGINX)).swap == "retire_then_reload":
        pytest.skip("the installed nginx is of the older kind")
    async with both_colors() as ports:
        async with running_edge(ports, as_version=as_version) as edge:
            await swap(edge)
            async with traffic(edge.address.port) as lossless:
                for _ in range(SWAPS):
                    await swap(edge)
        async with running_edge(ports, as_version=OLDER) as edge:
            edge.strategy = PlainReload()
            await swap(edge)
            async with traffic(edge.address.port) as control:
                for _ in range(CONTROL_SWAPS):
                    await swap(edge)

    assert lossless.failures == []
    assert min(lossless.answers[color] for color in Color) > SWAPS
    assert control.failures != []


async def test_clients_that_pause_between_requests_lose_nothing() -> None:
    """A connection that is idle when the edge changes colour is told before it is closed, up to 2 s of pause."""
    async with both_colors() as ports, running_edge(ports) as edge:
        await swap(edge)
        async with traffic(edge.address.port, [pausing] * PAUSING) as load:
            for _ in range(PAUSING_SWAPS):
                await everyone_spoke(load)
                await swap(edge)
            await everyone_spoke(load)

    assert load.failures == []
    assert min(load.answers[color] for color in Color) >= PAUSING


async def everyone_spoke(load: Load) -> None:
    """So that each has a connection it counts on."""
    wanted = load.answers.total() + PAUSING

    async def spoke() -> bool:
        return load.answers.total() >= wanted or bool(load.failures)

    assert await eventually(spoke, 10 * PAUSE_S)
