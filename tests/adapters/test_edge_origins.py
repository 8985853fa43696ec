"""CORS at the edge: what pages of other origins may ask and read, with the installed nginx."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from tests.support.edge_backend import Request, edge_backend
from tests.support.edge_client import Answer, StrictClient
from tests.support.edge_fixture import running_edge

from supervisor.core.state import Color
from supervisor.edge import Edge
from supervisor.nginx.config import EdgeLimits
from supervisor.nginx.reload import MARKERS

PAGE, OTHER = "http://localhost:3000", "http://localhost:3001"
LONGEST = f"chrome-extension://{'a' * 236}"
ASKING = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,x-stainless-os"}


@pytest.fixture
def asked() -> list[Request]:
    return []


@pytest_asyncio.fixture(params=[(1, 22, 1), None], ids=["older", "installed"])
async def edge(request: pytest.FixtureRequest, asked: list[Request]) -> AsyncIterator[Edge]:
    limits = EdgeLimits(body_bytes=4096, read_timeout_s=1)
    async with (
        edge_backend(Color.BLUE, log=asked) as blue,
        running_edge({Color.BLUE: blue}, limits=limits, as_version=request.param, origins=(PAGE, LONGEST)) as edge,
    ):
        edge.write_route(Color.BLUE)
        yield edge


@pytest_asyncio.fixture
async def client(edge: Edge) -> AsyncIterator[StrictClient]:
    async with StrictClient(edge.address.port) as client:
        yield client


def cors(answer: Answer) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name.startswith("access-control-")}


def readable(answer: Answer) -> None:
    """A script of PAGE sees this answer, with the headers that matter."""
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert answer.headers["vary"] == "Origin"
    exposed = answer.headers["access-control-expose-headers"].split(", ")
    assert {"X-Modelsvc-Color", "X-Modelsvc-Release", "Retry-After"} <= set(exposed)


@pytest.mark.parametrize("target", ["/echo", "/status?status=429", "/ready", "/stream?events=2"])
async def test_what_a_worker_answers_can_be_read_by_a_page_that_may(client: StrictClient, target: str) -> None:
    """Errors as well; the worker sees the origin, and decides about it too."""
    answer = await client.request("POST", target, b"{}", {"Origin": PAGE})

    readable(answer)
    assert "stream" in target or answer.headers["x-seen-origin"] == PAGE
    assert "access-control-allow-methods" not in answer.headers


@pytest.mark.parametrize("origin", [OTHER, "null", f"{PAGE}.evil.test", f"x{PAGE}", f"{PAGE}, {OTHER}"])
@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
async def test_other_pages_read_nothing(client: StrictClient, asked: list[Request], method: str, origin: str) -> None:
    """Nor are their questions answered here: they are the worker's to refuse."""
    answer = await client.request(method, "/echo", headers={"Origin": origin, **ASKING})

    assert (cors(answer), answer.headers["vary"]) == ({}, "Origin")
    assert len(asked) == 1


async def test_who_is_no_page_is_answered_as_ever(client: StrictClient) -> None:
    """But a cache must not take that answer for a page's."""
    answer = await client.request("POST", "/echo", b"{}")
    assert (answer.status, cors(answer), answer.headers["vary"]) == (200, {}, "Origin")


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/chat/ada", "/ready"])
async def test_a_browser_that_asks_first_is_told_by_the_edge(
    edge: Edge, client: StrictClient, asked: list[Request], path: str
) -> None:
    """Also while nobody serves, or the page could not be told that; whatever headers its library adds."""
    for route in (Color.BLUE, None):
        edge.write_route(route)
        answer = await client.request("OPTIONS", path, headers={"Origin": PAGE, **ASKING})

        readable(answer)
        assert (answer.status, answer.body) == (204, b"")
        assert answer.headers["access-control-allow-headers"] == "authorization,x-stainless-os"
        assert answer.headers["access-control-allow-methods"] == "GET, POST, DELETE"
        assert answer.headers["access-control-max-age"] == "600"
    assert asked == []


async def test_options_that_ask_nothing_are_the_workers(client: StrictClient, asked: list[Request]) -> None:
    """Without the headers by which browsers ask."""
    await client.request("OPTIONS", "/echo", headers={"Origin": PAGE})
    await client.request("OPTIONS", "/echo", headers=ASKING)
    assert [request.method for request in asked] == ["OPTIONS", "OPTIONS"]


@pytest.mark.parametrize(
    ("method", "target", "body", "status"),
    [
        ("POST", "/echo", b"x" * 5000, 413),
        ("POST", "/slow?seconds=2", b"", 504),
        ("GET", "/" + "x" * 9000, b"", 414),
        ("GET", "/.edge/413", b"", 404),
        ("POST", "/die", b"", 503),
    ],
)
async def test_the_edges_own_errors_can_be_read_too(
    client: StrictClient, method: str, target: str, body: bytes, status: int
) -> None:
    """A page would see a network error otherwise, and no reason."""
    answer = await client.request(method, target, body, {"Origin": PAGE})

    assert answer.status == status
    if status != 414:  # the headers were not read
        readable(answer)


async def test_nobody_home_tells_a_page_when_to_come_back(edge: Edge, client: StrictClient) -> None:
    edge.write_route(None)
    answer = await client.request("POST", "/chat", b"{}", {"Origin": PAGE})

    readable(answer)
    assert (answer.status, answer.headers["retry-after"]) == (503, "5")


async def test_a_retiring_nginx_worker_ends_the_connection_of_a_browser_that_asks(
    edge: Edge, client: StrictClient
) -> None:
    """As with any other answer."""
    for pid in edge.workers():
        (edge.options.folder / MARKERS / str(pid)).touch()
    answer = await client.request("OPTIONS", "/echo", headers={"Origin": PAGE, **ASKING})

    readable(answer)
    closes = edge.build.swap == "retire_then_reload"
    assert (answer.status, answer.headers["connection"]) == (204, "close" if closes else "keep-alive")


async def test_the_longest_origin_has_its_place(client: StrictClient) -> None:
    """nginx's tables are made for short words."""
    answer = await client.request("GET", "/echo", headers={"Origin": LONGEST})
    assert answer.headers["access-control-allow-origin"] == LONGEST


async def test_all_origins() -> None:
    """Told by the star, so that no cache mixes them up; there are no cookies that it could lay open."""
    async with (
        edge_backend(Color.BLUE) as blue,
        running_edge({Color.BLUE: blue}, origins=("*",)) as edge,
        StrictClient(edge.address.port) as client,
    ):
        edge.write_route(Color.BLUE)
        for origin in (PAGE, "null"):
            answer = await client.request("OPTIONS", "/echo", headers={"Origin": origin, **ASKING})
            assert (answer.status, answer.headers["access-control-allow-origin"]) == (204, "*")
        assert cors(await client.request("POST", "/echo", b"{}")) == {}


async def test_without_the_setting_there_is_nothing_of_it(asked: list[Request]) -> None:
    """As before: the worker is asked, and no header is added."""
    async with (
        edge_backend(Color.BLUE, log=asked) as blue,
        running_edge({Color.BLUE: blue}) as edge,
        StrictClient(edge.address.port) as client,
    ):
        edge.write_route(Color.BLUE)
        answer = await client.request("OPTIONS", "/echo", headers={"Origin": PAGE, **ASKING})
        assert (cors(answer), "vary" in answer.headers, len(asked)) == ({}, False, 1)
