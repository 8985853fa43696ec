"""Following what a real nginx writes down, through rotations and whatever clients put into their requests."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
import pytest_asyncio
from tests.support.edge_backend import edge_backend
from tests.support.edge_client import StrictClient
from tests.support.edge_fixture import running_edge

from supervisor import logs
from supervisor.core.state import Color
from supervisor.edge import Edge
from supervisor.logs import rotate_in_place
from supervisor.nginx.access_log import READ_BYTES, EdgeEntry, LogFollower, parse
from supervisor.nginx.folder import ACCESS_LOG
from supervisor.nginx.traffic import EdgeTraffic
from supervisor.patience import eventually

DEADLINE_S = 10.0
LINE = (
    '{"time":"2026-01-02T03:04:05+00:00","request_id":"r1","method":"POST","path":"/chat","status":%d,'
    '"seconds":0.250,"color":"%s"}'
)


@pytest_asyncio.fixture
async def edge() -> AsyncIterator[Edge]:
    async with edge_backend(Color.BLUE) as blue, running_edge({Color.BLUE: blue}) as edge:
        edge.write_route(Color.BLUE)
        yield edge


@pytest_asyncio.fixture
async def client(edge: Edge) -> AsyncIterator[StrictClient]:
    async with StrictClient(edge.address.port) as client:
        yield client


class Listener:
    """Keeps what it is told."""

    def __init__(self, edge: Edge) -> None:
        self.traffic = EdgeTraffic(edge.options.folder / ACCESS_LOG)
        self.entries: list[EdgeEntry] = []
        self.traffic.follow(self.entries.extend)

    async def hears(self, *paths: str) -> None:
        """Of these in this order, as soon as nginx has written them down."""

        async def heard() -> bool:
            await self.traffic.look()
            return len(self.entries) >= len(paths)

        await eventually(heard, DEADLINE_S)
        assert [entry.path for entry in self.entries] == list(paths)


async def test_each_answer_is_told_once_with_who_gave_it(edge: Edge, client: StrictClient) -> None:
    """And how long it took; what was there before is not told, nor questions about health, nor what is told already."""
    first = Listener(edge)
    await client.request("GET", "/healthz")
    await client.request("GET", "/ready/")
    await client.request("POST", "/chat", b"hello")
    await first.hears("/chat")
    (entry,) = first.entries

    assert (entry.color, entry.status, entry.method) == (Color.BLUE, 200, "POST")
    assert 0 <= entry.seconds < DEADLINE_S and entry.at > 1.7e9
    late = Listener(edge)
    await client.request("GET", "/later")
    await late.hears("/later")
    await first.hears("/chat", "/later")


async def test_what_nobody_answers_has_no_colour(edge: Edge, client: StrictClient) -> None:
    """There is no holder here, so nginx answers itself."""
    listener = Listener(edge)
    edge.write_route(None)
    await client.request("GET", "/chat")
    await listener.hears("/chat")

    assert (listener.entries[0].color, listener.entries[0].status) == (None, 503)


async def test_a_rotation_loses_nothing(edge: Edge, client: StrictClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines that were copied aside unread are found there, in order, over two rotations."""
    monkeypatch.setattr(logs, "ROTATE_BYTES", 0)
    listener, access_log = Listener(edge), edge.options.folder / ACCESS_LOG
    written = LogFollower(access_log)

    async def logged() -> bool:
        return bool(written.gained())

    expected = []
    for number in range(6):
        await client.request("GET", f"/{number}")
        expected.append(f"/{number}")
        assert await eventually(logged, DEADLINE_S)
        if number == 0:
            await listener.hears("/0")
        if number in (2, 4):
            rotate_in_place(access_log)
    await listener.hears(*expected)


async def test_any_bytes_in_a_path_are_told(edge: Edge, client: StrictClient) -> None:
    """nginx logs the path decoded, so it need not be text."""
    listener = Listener(edge)
    await client.request("GET", "/%ff%22%0a")
    await listener.hears('/�"\n')


async def test_a_follower_that_fails_keeps_nothing_from_others(tmp_path: Path) -> None:
    """And one that left is told nothing more."""
    log, told, left = tmp_path / "access.log", list[EdgeEntry](), list[EdgeEntry]()
    traffic = EdgeTraffic(log)

    def breaks(entries: Sequence[EdgeEntry]) -> None:
        raise ValueError(entries)

    traffic.follow(breaks)
    leave = traffic.follow(left.extend)
    traffic.follow(told.extend)
    leave()
    log.write_text(f"{LINE % (200, 'green')}\n")
    await traffic.look()

    assert [entry.color for entry in told] == [Color.GREEN] and not left


async def test_much_at_once_is_told_in_pieces(tmp_path: Path) -> None:
    """All of it in one look, and nobody is kept from the event loop for long."""
    log, pieces = tmp_path / "access.log", list[int]()
    traffic = EdgeTraffic(log)
    traffic.follow(lambda entries: pieces.append(len(entries)))
    line = f"{LINE % (200, 'green')}\n"
    lines = 3 * READ_BYTES // len(line)
    log.write_text(line * lines)
    await traffic.look()

    assert sum(pieces) == lines and len(pieces) > 2
    assert max(pieces) * len(line) <= READ_BYTES


async def test_a_log_that_cannot_be_read_now_is_read_later(tmp_path: Path) -> None:
    """Nor do lines that are none end it."""
    log, told = tmp_path / "access.log", list[EdgeEntry]()
    traffic = EdgeTraffic(log)
    traffic.follow(told.extend)
    await traffic.look()
    log.mkdir()
    await traffic.look()
    log.rmdir()
    log.write_text(f"{LINE % (200, 'blue')}\n{(LINE % (200, 'blue')).replace('200', '000')}\nno\n{LINE % (404, '')}\n")
    await traffic.look()

    assert [(entry.status, entry.color) for entry in told] == [(200, Color.BLUE), (404, None)]


def test_a_colour_that_is_none_of_ours_is_nobodys() -> None:
    """Whoever listens on a worker's port may say what it likes, and must not make a label of it."""
    entry = parse((LINE % (200, "mauve")).encode())
    assert entry is not None and entry.color is None
