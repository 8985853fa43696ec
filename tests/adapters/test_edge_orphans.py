"""nginx killed: its master, all of it, with and without a descriptor of the listening socket."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from disposable.ports import free_port
from tests.support.edge_backend import edge_backend
from tests.support.edge_client import StrictClient
from tests.support.edge_fixture import running_edge

from supervisor.core.state import Color
from supervisor.edge import Edge
from supervisor.nginx import listener
from supervisor.nginx.inherit import listening_socket
from supervisor.nginx.master import group_members
from supervisor.patience import eventually
from supervisor.ports import Address


@asynccontextmanager
async def two_colored_edge() -> AsyncIterator[Edge]:
    async with (
        edge_backend(Color.BLUE) as blue,
        edge_backend(Color.GREEN) as green,
        running_edge({Color.BLUE: blue, Color.GREEN: green}) as edge,
    ):
        edge.write_route(Color.BLUE)
        yield edge


@asynccontextmanager
async def adopted(edge: Edge) -> AsyncIterator[Edge]:
    """The edge of a later supervisor."""
    identity = edge.identity()
    edge.close()
    later = Edge(edge.options, edge.build)
    later.adopt(identity.pid, identity.started_at)
    try:
        yield later
    finally:
        await later.stop(timeout_s=1)
        later.close()


async def color_of(client: StrictClient) -> str:
    answer = await client.request("GET", "/echo")
    assert answer.status == 200
    return answer.headers["x-modelsvc-color"]


async def kill_master(edge: Edge) -> frozenset[int]:
    """Its orphans."""
    workers = edge.workers()
    os.kill(edge.identity().pid, signal.SIGKILL)
    await edge.wait()
    return workers


async def kill_all(edge: Edge) -> None:
    for pid in group_members(edge.identity().pid):
        os.kill(pid, signal.SIGKILL)
    await edge.wait()


async def test_an_orphan_follows_the_route() -> None:
    """It looks at the same markers, so that a switch holds for its clients too."""
    async with two_colored_edge() as edge, StrictClient(edge.address.port) as client:
        assert await color_of(client) == "blue"
        connection = client.connection
        await kill_master(edge)
        edge.write_route(Color.GREEN)
        assert await color_of(client) == "green"
        await edge.start()
        edge.write_route(Color.BLUE)
        assert await color_of(client) == "blue"
        assert client.connection in (connection, None)


async def test_orphans_tell_their_clients_and_go_once_another_nginx_serves() -> None:
    """The next answer on each connection ends it; then they are told to quit, and leave nothing behind."""
    async with two_colored_edge() as edge, StrictClient(edge.address.port) as client:
        await color_of(client)
        orphans = await kill_master(edge)
        await edge.start()
        assert edge.workers().isdisjoint(orphans) and edge.old_workers() == orphans

        async def told() -> bool:
            return (await client.request("GET", "/echo")).headers["connection"] == "close"

        async def gone() -> bool:
            return not edge.old_workers()

        assert await eventually(told, 5)
        assert await eventually(gone, 5)
        assert await color_of(client) == "blue"


async def test_a_silent_connection_does_not_keep_an_orphan_for_ever() -> None:
    """Nobody can be told who does not ask."""
    async with two_colored_edge() as edge, StrictClient(edge.address.port) as client:
        await color_of(client)
        await kill_master(edge)
        await edge.start()

        async def gone() -> bool:
            return not edge.old_workers()

        assert await eventually(gone, 15)


async def test_a_stop_ends_orphans_that_are_still_telling() -> None:
    """And the one who tells; running_edge sees to it that none is left."""
    async with two_colored_edge() as edge, StrictClient(edge.address.port) as client:
        await color_of(client)
        orphans = await kill_master(edge)
        await edge.start()
        await edge.stop(timeout_s=1)
        assert not edge.old_workers() and not edge.workers()
        assert not any(group_members(pid) for pid in orphans)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux gives a second descriptor away")
async def test_a_later_supervisor_has_the_socket_too() -> None:
    """Clients wait while an adopted nginx, killed master and workers, is replaced."""
    async with two_colored_edge() as edge, adopted(edge) as later:
        await kill_all(later)
        async with StrictClient(later.address.port) as client:
            waiting = asyncio.create_task(color_of(client))
            await later.start()
            assert await waiting == "blue"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux gives a second descriptor away")
async def test_a_later_supervisor_takes_the_socket_from_orphans() -> None:
    """The master was killed while no supervisor ran."""
    async with two_colored_edge() as edge, StrictClient(edge.address.port) as client:
        await color_of(client)
        orphans = await kill_master(edge)
        edge.close()
        later = Edge(edge.options, edge.build)
        assert not later.adopt(os.getpgid(min(orphans)), 1.0)
        later.bind()
        await later.start()
        assert later.old_workers() == orphans
        assert await color_of(client) == "blue"
        await later.stop(timeout_s=1)
        later.close()


async def test_where_the_socket_cannot_be_had_the_address_is_taken_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on macOS: the orphans give it up first."""
    monkeypatch.setattr(listener, "listening_socket", lambda pid, address: None)
    async with two_colored_edge() as edge, adopted(edge) as later:
        await kill_master(later)
        await later.start()
        async with StrictClient(later.address.port) as client:
            assert await color_of(client) == "blue"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux gives a second descriptor away")
def test_the_second_descriptor_is_of_the_same_socket() -> None:
    """It listens on when the first is closed, and no child inherits it."""
    with socket.create_server(("127.0.0.1", 0)) as first:
        address = Address(*first.getsockname())
        second = listening_socket(os.getpid(), address)
        assert second is not None
    with second:
        assert second.getsockname() == (address.host, address.port) and not second.get_inheritable()
        with socket.create_connection((address.host, address.port), timeout=5):
            second.accept()[0].close()


def test_no_descriptor_is_made_up() -> None:
    """Nobody listens there; nobody is there."""
    assert listening_socket(os.getpid(), Address("127.0.0.1", free_port())) is None
    assert listening_socket(2**22 + 1, Address("127.0.0.1", 1)) is None
