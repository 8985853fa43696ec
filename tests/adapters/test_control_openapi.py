"""The control API's OpenAPI document says all there is, and what it says is so, on a real Unix socket."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.core.world import BLUE, GREEN
from tests.support.conformance import operations, statuses
from tests.support.control_plane import desk

from supervisor import protocol
from supervisor.control.app import build_app
from supervisor.control.server import ControlServer
from supervisor.protocol import happenings

EXAMPLES = 12  # of each kind for each operation
NAMED = {
    "/v1/deployments/{number}",
    "/v1/deployments/{number}/explanation",
    "/v1/logs",  # what is named at random is never there
    "/v1/monitor/targets",  # and these only while Prometheus runs
}
ENDLESS = "/v1/events"  # an answer that is asked for in tests/adapters/test_sse.py


@contextmanager
def served(folder: Path) -> Iterator[httpx.Client]:
    """The control API over the real planner, in a thread, with a client."""
    loop, ready, stop = asyncio.new_event_loop(), threading.Event(), asyncio.Event()
    path = folder / "control.sock"

    async def serve() -> None:
        async with desk(folder, {BLUE: 1, GREEN: 1}) as asked:
            server = ControlServer(build_app(asked.plane()), path)
            await server.start()
            ready.set()
            await stop.wait()
            await server.stop()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    try:
        assert ready.wait(20)
        transport = httpx.HTTPTransport(uds=str(path))
        with httpx.Client(transport=transport, base_url="http://localhost", timeout=20) as client:
            yield client
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(20)
        loop.close()


def test_what_is_answered_is_what_it_says(folder: Path) -> None:
    """Whatever is sent, an operation that ends the service included: no 5xx, and documented statuses and bodies."""
    with served(folder) as client:
        for operation in operations(document(client)):
            if operation.path == ENDLESS:
                continue
            seen = statuses(operation, client, EXAMPLES)
            assert seen[200] > 0 or operation.path in NAMED, (operation.path, seen)


def test_it_describes_every_operation(folder: Path) -> None:
    """With its errors; where an answer is a stream, with what a line may be."""
    with served(folder) as client:
        described = document(client)
    schemas, streams = described["components"]["schemas"], 0
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            answers = operation["responses"]
            if path == ENDLESS:
                data = answers["200"]["content"]["text/event-stream"]["x-data-schema"]["oneOf"]
                names = [schemas[ref["$ref"].rpartition("/")[2]]["properties"]["event"]["enum"] for ref in data]
                assert [name for (name,) in names] == list(happenings.NAMES) and "429" in answers
            assert {"200", "400", "404", "405", "413", "500"} <= set(answers), (path, method)
            if "application/x-ndjson" in answers["200"]["content"]:
                lines = answers["200"]["content"]["application/x-ndjson"]["x-line-schema"]["oneOf"]
                assert [ref["$ref"].rpartition("/")[2] for ref in lines] == [
                    kind.__name__
                    for kind in (protocol.Accepted, protocol.StepChanged, protocol.Progress, protocol.Finished)
                ]
                assert all(ref["$ref"].rpartition("/")[2] in schemas for ref in lines)
                streams += 1
    plain = ("/v1/plan", "/v1/monitor/")
    assert streams == sum(not path.startswith(plain) and "post" in its for path, its in described["paths"].items())


@pytest.mark.parametrize("path", ["/v1/schema", "/v1/schema/swagger", "/v1/schema/redoc", "/v1/schema/openapi.json"])
def test_no_page_loads_anything_from_elsewhere(folder: Path, path: str) -> None:
    """There is only the document."""
    with served(folder) as client:
        assert "http://" not in (text := client.get(path).text) and "https://" not in text


def document(client: httpx.Client) -> dict[str, Any]:
    found: dict[str, Any] = client.get("/v1/schema/openapi.json").json()
    return found
