"""Requests that find nobody home: held and replayed by the installed nginx."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx
import pytest
from disposable.ports import free_port
from tests.support.edge_backend import Request, edge_backend
from tests.support.edge_client import Answer, StrictClient
from tests.support.edge_fixture import holding, running_edge

from supervisor.core.outlook import Outlook
from supervisor.core.state import Color
from supervisor.edge import Edge
from supervisor.holder import Holder
from supervisor.nginx.config import EdgeLimits
from supervisor.nginx.reload import MARKERS
from supervisor.patience import eventually
from supervisor.unavailable import REPLAYS

LIMIT = 64
TARGET, BODY = "/chat/a%2Fb?x=%20", b'{"message": "hello"}'


@dataclass
class House:
    """An edge with its holder, and the port at which blue may come to live."""

    edge: Edge
    port: int
    outlook: Outlook = Outlook.COMING
    holder: Holder = field(init=False)
    requests: list[Request] = field(default_factory=list)  # that reached blue

    def client(self) -> StrictClient:
        return StrictClient(self.edge.address.port)

    @asynccontextmanager
    async def blue(self, refuses: int = 0) -> AsyncIterator[None]:
        """The worker is there, and the supervisor knows."""
        async with edge_backend(Color.BLUE, self.port, refuses=refuses, log=self.requests):
            self.outlook = Outlook.SERVES
            yield
            self.outlook = Outlook.COMING

    async def held(self, count: int) -> None:
        async def there() -> bool:
            return self.holder.counts().held >= count

        assert await eventually(there, 5), self.holder.counts()

    async def arrived(self) -> None:
        async def there() -> bool:
            return bool(self.requests)

        assert await eventually(there, 5)

    async def empty(self) -> None:
        async def there() -> bool:
            return not self.holder.counts().waiting

        assert await eventually(there, 5), self.holder.counts()


@asynccontextmanager
async def house(timeout_s: float = 20.0, limit: int = LIMIT, **kind: object) -> AsyncIterator[House]:
    port = free_port()
    async with running_edge({Color.BLUE: port}, **kind) as edge:  # type: ignore[arg-type]  # passed on
        edge.write_route(Color.BLUE)
        its = House(edge, port)
        its.holder = Holder(lambda: its.outlook, timeout_s, limit)
        async with holding(edge, its.holder):
            yield its


def problem(answer: Answer) -> tuple[int, str, str]:
    assert answer.headers["content-type"] == "application/json"
    return answer.status, json.loads(answer.body)["error"]["code"], answer.headers["retry-after"]


# --- held and replayed ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["POST", "GET", "PUT", "DELETE"])
async def test_a_request_that_finds_nobody_is_answered_when_the_worker_comes(method: str) -> None:
    """Method, URI, headers and body arrive as the client sent them, on the connection it has."""
    async with house() as its, its.client() as client:
        asked = asyncio.create_task(client.request(method, TARGET, BODY, {"X-A": "b", "X-Request-Id": "held-1"}))
        await its.held(1)
        async with its.blue():
            answer = await asked

        assert (answer.status, answer.body) == (200, BODY)
        assert (answer.headers["x-seen-method"], answer.headers["x-seen-target"]) == (method, TARGET)
        assert (answer.headers["x-seen-x-a"], answer.headers["x-seen-host"]) == ("b", "localhost")
        assert answer.headers["x-seen-x-request-id"] == answer.headers["x-request-id"] == "held-1"
        assert answer.headers["connection"] == "keep-alive"
        assert its.holder.counts().replayed == 1


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_long_body_is_replayed_whole(chunked: bool) -> None:
    """However it was sent; the holder gets none of it."""
    body = bytes(range(256)) * 2048

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 10_000):
            yield body[start : start + 10_000]

    async with house() as its, httpx.AsyncClient(base_url=f"http://{its.edge.address}", timeout=20) as http:
        asked = asyncio.create_task(http.post("/echo", content=pieces() if chunked else body))
        await its.held(1)
        async with its.blue():
            assert (await asked).content == body


async def test_a_request_without_a_route_is_held_until_there_is_one() -> None:
    """As in a pause; the worker is up all the while."""
    async with house() as its, edge_backend(Color.BLUE, its.port), its.client() as client:
        its.edge.write_route(None)
        asked = asyncio.create_task(client.request("POST", "/echo", BODY))
        await its.held(1)
        its.edge.write_route(Color.BLUE)
        its.outlook = Outlook.SERVES

        assert (await asked).body == BODY


async def test_the_blink_between_two_colours_costs_no_error() -> None:
    """nginx may see neither marker while one is renamed; the holder sends it back at once."""
    async with house() as its, its.blue(), its.client() as client:
        its.edge.write_route(None)
        asked = asyncio.create_task(client.request("POST", "/echo", BODY))
        await its.held(1)
        its.edge.write_route(Color.BLUE)

        assert (await asked).status == 200


async def test_a_worker_that_ends_within_a_plain_answer_costs_no_error() -> None:
    """Nothing of the answer had left, so the next worker answers it."""
    async with house() as its, its.client() as client:
        async with its.blue():
            asked = asyncio.create_task(client.request("POST", "/slow?seconds=1", BODY))
            await its.arrived()
        await its.held(1)
        async with its.blue():
            assert (await asked).body == BODY


async def test_a_worker_that_says_503_is_asked_again() -> None:
    """It loads, or stops; its other errors are its own."""
    async with house() as its, its.client() as client, its.blue(refuses=2):
        answer = await client.request("POST", "/echo", BODY)

        assert (answer.status, answer.body) == (200, BODY)
        assert its.holder.counts().replayed == 2


@pytest.mark.parametrize("status", [400, 404, 405, 409, 429, 500])
async def test_a_workers_own_errors_pass_unchanged(status: int) -> None:
    """Body and headers."""
    async with house() as its, its.blue(), its.client() as client:
        answer = await client.request("POST", f"/status?status={status}", BODY)

        assert (answer.status, answer.body, answer.headers["x-modelsvc-color"]) == (status, BODY, "blue")
        assert its.holder.counts().held == 0


async def test_many_wait_and_all_are_answered() -> None:
    """Each its own request."""
    async with house() as its:
        clients = [its.client() for _ in range(LIMIT)]
        asked = [
            asyncio.create_task(client.request("POST", "/echo", b"%d" % number))
            for number, client in enumerate(clients)
        ]
        await its.held(LIMIT)
        async with its.blue():
            answers = await asyncio.gather(*asked)
        assert [answer.body for answer in answers] == [b"%d" % number for number in range(LIMIT)]
        await asyncio.gather(*(client.close() for client in clients))


async def test_a_retiring_nginx_worker_holds_and_replays_too() -> None:
    """And ends the connection after the answer, as it must, whether it retired before the wait or within."""
    async with house(as_version=(1, 22, 1)) as its, its.client() as early, its.client() as late:
        markers = [its.edge.options.folder / MARKERS / str(pid) for pid in its.edge.workers()]
        first = asyncio.create_task(early.request("POST", TARGET, BODY))
        await its.held(1)
        for marker in markers:
            marker.touch()
        second = asyncio.create_task(late.request("POST", TARGET, BODY))
        await its.held(2)
        async with its.blue(refuses=2):
            answers = await asyncio.gather(first, second)

        for answer in answers:
            assert (answer.body, answer.headers["x-seen-target"]) == (BODY, TARGET)
            assert answer.headers["connection"] == "close"


# --- not held, or no longer -------------------------------------------------------------------------------------------


async def test_a_stream_that_has_begun_is_never_replayed() -> None:
    """It ends where it was cut: its client has seen a part of it."""
    async with house() as its, its.client() as client:
        async with its.blue():
            _, answered = await client.send("POST", "/stream?events=100&gap=0.05")
            parts = client.parts(answered)
            assert await anext(parts) == b"data: 0\n\n"
        with pytest.raises(EOFError):
            async for _ in parts:
                pass
        assert its.holder.counts().held == 0


async def test_a_request_that_timed_out_is_never_replayed() -> None:
    """The worker may be at it still."""
    async with house(limits=EdgeLimits(read_timeout_s=1)) as its, its.blue(), its.client() as client:
        answer = await client.request("POST", "/slow?seconds=2", BODY)

        assert (answer.status, json.loads(answer.body)["error"]["code"]) == (504, "worker_timeout")
        assert its.holder.counts().held == 0


@pytest.mark.parametrize("retiring", [False, True])
async def test_a_request_that_ends_its_worker_each_time_is_given_up(retiring: bool) -> None:
    """After so many replays, even where nginx needs a redirect more for each."""
    async with house(as_version=(1, 22, 1)) as its, its.client() as client, its.blue():
        if retiring:
            for pid in its.edge.workers():
                (its.edge.options.folder / MARKERS / str(pid)).touch()
        answer = await client.request("POST", "/die", BODY)

        assert problem(answer) == (503, "given_up", "5")
        assert f"sent {REPLAYS + 1} times" in answer.body.decode()
        assert its.holder.counts().replayed == REPLAYS


@pytest.mark.parametrize("path", ["/healthz", "/ready", "/health", "/v1/health", "/health/deep", "/metrics"])
async def test_who_asks_how_we_are_is_not_held(path: str) -> None:
    """Nobody home is the answer; so is what the worker itself says."""
    async with house() as its, its.client() as client:
        assert problem(await client.request("GET", path)) == (503, "starting", "1")
        its.edge.write_route(None)
        for its.outlook, told in [(Outlook.HELD, ("paused", "30")), (Outlook.GONE, ("no_worker", "60"))]:
            assert problem(await client.request("GET", path)) == (503, *told)
        its.edge.write_route(Color.BLUE)
        async with its.blue(refuses=1):
            answer = await client.request("GET", path)
            assert (answer.status, answer.headers["x-modelsvc-color"]) == (503, "blue")
        assert its.holder.counts().held == 0


async def test_without_a_holder_nobody_waits() -> None:
    """The supervisor is dead: 503 at once, with and without a route."""
    async with running_edge({Color.BLUE: free_port()}) as edge, StrictClient(edge.address.port) as client:
        for method, path in [("POST", "/echo"), ("GET", "/ready")]:
            edge.write_route(None)
            assert problem(await client.request(method, path, BODY)) == (503, "supervisor_away", "5")
            edge.write_route(Color.BLUE)
            assert problem(await client.request(method, path, BODY)) == (503, "supervisor_away", "5")


async def test_a_holder_that_ends_sends_its_guests_away() -> None:
    """They learn it from nginx or from the holder, but they learn it."""
    async with house() as its, its.client() as client:
        asked = asyncio.create_task(client.request("POST", "/echo", BODY))
        await its.held(1)
        its.holder.close()
        assert problem(await asked) == (503, "supervisor_away", "5")


async def test_limit_and_deadline_are_told_by_the_edge() -> None:
    """503 as JSON with Retry-After."""
    async with house(timeout_s=0.5, limit=1) as its, its.client() as first, its.client() as second:
        asked = asyncio.create_task(first.request("POST", "/echo", BODY))
        await its.held(1)
        assert problem(await second.request("POST", "/echo", BODY)) == (503, "hold_full", "1")
        assert problem(await asked) == (503, "hold_timeout", "5")


async def test_a_client_that_goes_away_frees_its_place() -> None:
    """Its request is not replayed."""
    async with house() as its, its.client() as client:
        asked = asyncio.create_task(client.request("POST", "/echo", BODY))
        await its.held(1)
        await client.close()
        asked.cancel()
        await its.empty()
        assert its.holder.counts().replayed == 0
