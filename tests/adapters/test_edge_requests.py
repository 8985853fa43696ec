"""What the edge does to requests and answers, with the installed nginx."""

import asyncio
import json
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio
from tests.support.edge_backend import edge_backend
from tests.support.edge_client import Answer, StrictClient
from tests.support.edge_fixture import running_edge

from supervisor.core.state import Color
from supervisor.edge import Edge
from supervisor.nginx.config import EdgeLimits
from supervisor.nginx.reload import MARKERS
from supervisor.patience import eventually

LIMIT = 4096


@pytest_asyncio.fixture
async def edge() -> AsyncIterator[Edge]:
    limits = EdgeLimits(body_bytes=LIMIT, read_timeout_s=1)
    async with (
        edge_backend(Color.BLUE) as blue,
        running_edge({Color.BLUE: blue}, limits=limits, as_version=(1, 22, 1)) as edge,
    ):
        edge.write_route(Color.BLUE)
        yield edge


@pytest_asyncio.fixture
async def client(edge: Edge) -> AsyncIterator[StrictClient]:
    async with StrictClient(edge.address.port) as client:
        yield client


def retire(edge: Edge) -> None:
    for pid in edge.workers():
        (edge.options.folder / MARKERS / str(pid)).touch()


def problem(answer: Answer) -> str:
    assert answer.headers["content-type"] == "application/json"
    error = json.loads(answer.body)["error"]
    assert error.keys() == {"type", "message", "code"}
    return str(error["code"])


@pytest.mark.parametrize("retiring", [False, True])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
async def test_method_uri_and_body_arrive_as_sent(
    edge: Edge, client: StrictClient, method: str, retiring: bool
) -> None:
    """A retiring worker changes nothing but the connection's future."""
    if retiring:
        retire(edge)
    answer = await client.request(method, "/chat/a%2Fb?x=%20", b"hello")

    assert (answer.status, answer.body) == (200, b"hello")
    assert answer.headers["x-seen-method"] == method
    assert answer.headers["x-seen-target"] == "/chat/a%2Fb?x=%20"
    assert answer.headers["connection"] == ("close" if retiring else "keep-alive")


async def test_a_retiring_worker_still_answers_the_edges_own_errors(edge: Edge, client: StrictClient) -> None:
    """Retire and error pages nest."""
    retire(edge)
    answer = await client.request("POST", "/slow?seconds=2", b"")

    assert (answer.status, problem(answer), answer.headers["connection"]) == (504, "worker_timeout", "close")


async def test_the_worker_learns_who_asks(client: StrictClient) -> None:
    """The client's Host and request id pass through; its address is added."""
    answer = await client.request("GET", "/", headers={"Host": "models.local:81", "X-Request-Id": "abc-1"})

    assert answer.headers["x-seen-host"] == "models.local:81"
    assert answer.headers["x-seen-x-request-id"] == answer.headers["x-request-id"] == "abc-1"
    assert answer.headers["x-seen-x-forwarded-for"] == "127.0.0.1"
    assert answer.headers["x-seen-x-forwarded-proto"] == "http"


@pytest.mark.parametrize("given", [{}, {"X-Request-Id": 'no"good'}], ids=["none", "wrong"])
async def test_a_request_without_a_good_id_gets_one(client: StrictClient, given: dict[str, str]) -> None:
    """It comes back with the answer, so that a log line can be found by it."""
    answer = await client.request("GET", "/", headers=given)

    assert answer.headers["x-request-id"].isalnum()
    assert answer.headers["x-seen-x-request-id"] == answer.headers["x-request-id"]


async def test_a_stream_flows_event_by_event(client: StrictClient) -> None:
    """The first event is there long before the last: nothing waits in a buffer."""
    now = asyncio.get_running_loop().time
    _, answered = await client.send("POST", "/stream?events=5&gap=0.1")
    arrivals = [(now(), part) async for part in client.parts(answered)]

    assert [part for _, part in arrivals] == [b"data: %d\n\n" % number for number in range(5)]
    assert arrivals[-1][0] - arrivals[0][0] > 0.3


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_over_the_limit_is_refused(edge: Edge, chunked: bool) -> None:
    """413 as JSON that tells the limit; at the limit it passes."""

    async def pieces() -> AsyncIterator[bytes]:
        yield b"x" * (LIMIT + 1)

    async with httpx.AsyncClient(base_url=f"http://{edge.address}") as http:
        assert (await http.post("/", content=b"x" * LIMIT)).status_code == 200
        answer = await http.post("/", content=pieces() if chunked else b"x" * (LIMIT + 1))

    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "body_too_large")
    assert str(LIMIT) in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("target", "headers", "status", "code"),
    [
        ("/" + "x" * 9000, {}, 414, "uri_too_long"),
        ("/", {"X-Long": "x" * 9000}, 431, "headers_too_large"),
        ("/", {"Content-Length": "many"}, 400, "bad_request"),
        ("/.edge/413", {}, 404, "not_found"),
    ],
)
async def test_what_nginx_refuses_is_json_too(
    client: StrictClient, target: str, headers: dict[str, str], status: int, code: str
) -> None:
    """No client has to read nginx's HTML."""
    answer = await client.request("GET", target, headers=headers)

    assert (answer.status, problem(answer)) == (status, code)


async def test_nobody_home_says_when_to_come_back(edge: Edge, client: StrictClient) -> None:
    """Before the first start, and when the worker is down."""
    edge.write_route(None)
    answer = await client.request("POST", "/chat", b"{}")

    assert (answer.status, problem(answer), answer.headers["retry-after"]) == (503, "supervisor_away", "5")


async def test_the_access_log_tells_what_happened_but_not_what_was_said(edge: Edge, client: StrictClient) -> None:
    """One JSON object a line."""
    await client.request("POST", "/chat/ada?key=secret", b"a secret", {"X-Request-Id": "log-1"})
    log = edge.options.folder / "access.log"

    async def logged() -> bool:  # nginx writes after it has answered
        return "log-1" in log.read_text()

    assert await eventually(logged, 5)
    line = next(entry for entry in map(json.loads, log.read_text().splitlines()) if entry["request_id"] == "log-1")

    assert (line["status"], line["method"], line["path"], line["color"]) == (200, "POST", "/chat/ada", "blue")
    assert isinstance(line["seconds"], float) and line["upstream"].startswith("127.0.0.1:")
    assert "secret" not in log.read_text()
