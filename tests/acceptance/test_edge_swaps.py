"""Swaps and reloads of the edge under closed-loop keep-alive clients that never retry."""

import asyncio
import os
import socket
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from signal import SIGKILL

import pytest
from tests.support.edge_backend import edge_backend
from tests.support.edge_client import StrictClient
from tests.support.edge_fixture import NGINX, holding, running_edge

from supervisor.core.outlook import Outlook
from supervisor.core.state import Color
from supervisor.edge import Edge
from supervisor.holder import Holder
from supervisor.nginx.command import inspect
from supervisor.nginx.config import EdgeLimits, Version
from supervisor.nginx.reload import PlainReload
from supervisor.patience import eventually

SWAPS = 1000
ANSWERS_A_SWAP = 8
RELOADS = 6
PLAIN_RELOADS = 4
KILLS = 4
STOPS = 2
OLDER: Version = (1, 22, 1)
QUICK, THINKING, SLOW, STREAMING = 4, 20, 4, 4
EVENTS, GAP_S = 8, 0.01
PAUSING, PAUSE_S, PAUSING_RELOADS = 8, 1.0, 3

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


async def swap(edge: Edge, asking: StrictClient) -> None:
    color = (edge.read_route() or Color.GREEN).other
    edge.write_route(color)
    answer = await asking.request("GET", "/echo")
    assert (answer.status, answer.headers["x-modelsvc-color"]) == (200, color)


@asynccontextmanager
async def both_colors() -> AsyncIterator[dict[Color, int]]:
    async with edge_backend(Color.BLUE) as blue, edge_backend(Color.GREEN) as green:
        yield {Color.BLUE: blue, Color.GREEN: green}


@asynccontextmanager
async def held(edge: Edge) -> AsyncIterator[Holder]:
    """Somebody always serves: a request that finds no marker between two looks is to be sent again at once."""
    holder = Holder(lambda: Outlook.SERVES, 30.0, 256)
    async with holding(edge, holder):
        yield holder


async def test_a_thousand_swaps_lose_nothing_and_plain_reloads_do() -> None:
    """Every request is answered whole while the edge changes colour; the same load notices a plain reload.

    No nginx worker is replaced and no connection is closed: one is used before the first swap and after the last.
    """
    async with both_colors() as ports:
        async with running_edge(ports) as edge, held(edge), StrictClient(edge.address.port) as kept:
            workers = edge.workers()
            async with StrictClient(edge.address.port) as asking, traffic(edge.address.port) as lossless:
                await swap(edge, kept)
                connection = kept.connection
                for _ in range(SWAPS):
                    await swap(edge, asking)
                    await more_answers(lossless, ANSWERS_A_SWAP)
                await swap(edge, kept)
            assert kept.connection is connection and edge.workers() == workers
        async with running_edge(ports, as_version=OLDER) as edge:
            edge.strategy = PlainReload()
            edge.write_route(Color.BLUE)
            async with traffic(edge.address.port) as control:
                for _ in range(PLAIN_RELOADS):
                    await edge.reload()

    assert lossless.failures == []
    assert min(lossless.answers[color] for color in Color) > SWAPS
    assert control.failures != []


@pytest.mark.parametrize("as_version", [None, OLDER], ids=["installed kind", "older kind"])
async def test_a_changed_configuration_loses_nothing(as_version: Version | None) -> None:
    """nginx is reloaded without a cut connection that a client counts on."""
    if as_version is None and (await inspect(NGINX)).swap == "retire_then_reload":
        pytest.skip("the installed nginx is of the older kind")
    async with both_colors() as ports, running_edge(ports, as_version=as_version) as edge, held(edge):
        edge.write_route(Color.BLUE)
        async with traffic(edge.address.port) as load:
            for number in range(RELOADS):
                edge.folder.options = replace(edge.options, limits=EdgeLimits(body_bytes=2**20 + number + 1))
                assert edge.write_config()
                await edge.test_config()
                assert await edge.apply_config()

    assert load.failures == []
    assert load.answers[Color.BLUE] > RELOADS


async def test_clients_that_pause_between_requests_lose_nothing_to_a_reload() -> None:
    """A connection that is idle when nginx is reloaded is told before it is closed, up to 2 s of pause."""
    async with both_colors() as ports, running_edge(ports) as edge:
        edge.write_route(Color.BLUE)
        async with traffic(edge.address.port, [pausing] * PAUSING) as load:
            for _ in range(PAUSING_RELOADS):
                await more_answers(load, PAUSING)  # so that each has a connection it counts on
                await edge.reload()
            await more_answers(load, PAUSING)

    assert load.failures == []


async def test_killed_masters_lose_nothing_and_orphans_told_to_quit_at_once_do() -> None:
    """The next nginx serves beside the orphans, which say goodbye first; the route changes meanwhile."""
    async with both_colors() as ports:
        async with running_edge(ports, as_version=OLDER) as edge, held(edge):
            lossless = await killed_under_traffic(edge)
        async with running_edge(ports, as_version=OLDER) as edge, held(edge):
            edge._orphans.tells_by_itself = True  # as nginx of this kind does not
            control = await killed_under_traffic(edge)

    assert lossless.failures == []
    assert min(lossless.answers[color] for color in Color) > KILLS
    assert control.failures != []


async def killed_under_traffic(edge: Edge) -> Load:
    edge.write_route(Color.BLUE)
    async with traffic(edge.address.port) as load:
        for _ in range(KILLS):
            await more_answers(load, len(ACTS))
            os.kill(edge.identity().pid, SIGKILL)
            await edge.wait()
            await edge.start()
            edge.write_route((edge.read_route() or Color.GREEN).other)
            await orphans_gone(edge)
    return load


async def orphans_gone(edge: Edge) -> None:
    async def gone() -> bool:
        return not edge.old_workers()

    assert await eventually(gone, 15)


async def more_answers(load: Load, count: int) -> None:
    wanted = load.answers.total() + count

    async def there() -> bool:
        return load.answers.total() >= wanted or bool(load.failures)

    assert await eventually(there, 10 * PAUSE_S, poll_s=0.001)


async def test_a_stop_tells_clients_first_where_they_can_wait_for_the_next_start() -> None:
    """A service manager holds the socket: who was told connects again, waits, and is answered by the next nginx.

    The same load notices a stop that tells nobody, which is quicker where nobody will come.
    """
    async with both_colors() as ports:
        lossless = await stopped_under_traffic(ports, lasting=True)
        control = await stopped_under_traffic(ports, lasting=False)

    assert lossless.failures == []
    assert control.failures != []


async def stopped_under_traffic(ports: dict[Color, int], *, lasting: bool) -> Load:
    with socket.create_server(("127.0.0.1", 0), backlog=511) as listener:
        async with running_edge(ports, as_version=OLDER, listener=listener, lasting=lasting) as edge:
            edge.write_route(Color.BLUE)
            async with traffic(edge.address.port) as load:
                for _ in range(STOPS):
                    await more_answers(load, len(ACTS))
                    await edge.stop(timeout_s=5)
                    await edge.start()
                await more_answers(load, len(ACTS))
    return load
