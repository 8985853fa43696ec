"""What reaches the supervisor's HTTP server: by which name, from whose page, and with what."""

from collections.abc import Mapping, Sequence

import httpx
import pytest
from litestar import get, post

from supervisor.front.guard import Asked, hostname, rejection
from supervisor.front.server import build_front

HOSTS = ["10.0.0.5", "models.example"]


def refused(
    headers: Mapping[str, str], method: str = "GET", path: str = "/api/status", hosts: Sequence[str] = HOSTS
) -> str | None:
    """The code of the rejection."""
    found = rejection(Asked(method, path, {"host": "localhost:9180", **headers}), hosts)
    return found.code if found else None


@pytest.mark.parametrize(
    "host",
    [
        *("localhost", "localhost:9180", "LOCALHOST:9180", "localhost.", "127.0.0.1", "127.0.0.1:9180"),
        *("[::1]", "[::1]:9180", "10.0.0.5:9180", "models.example", "Models.Example:443"),
    ],
)
def test_names_of_this_machine_and_configured_ones_are_answered(host: str) -> None:
    """With a port or without, in IPv6's brackets, in any case."""
    assert refused({"host": host}) is None


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "evil.example:9180", "localhost.evil.example", "localhost@evil.example", "", "::1"),
        *("localhost:port", "127.0.0.1.evil.example", "[::1", "[::2]:9180", "models.example.evil", "localhost/x"),
    ],
)
def test_any_other_name_is_refused(host: str) -> None:
    """A page whose own name was pointed at this machine carries that name."""
    assert refused({"host": host}) == "host_not_allowed"
    assert refused({"host": host}, path="/") == "host_not_allowed"
    assert refused({"host": host}, path="/metrics") is None, "Prometheus may call us as it likes"


def test_every_name_is_answered_when_that_is_configured() -> None:
    """As the worker does; no name at all is none."""
    assert refused({"host": "whatever.example"}, hosts=["*"]) is None
    assert refused({"host": ""}, hosts=["*"]) == "host_not_allowed"


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://localhost:8080"},
        {"origin": "http://localhost"},
        {"sec-fetch-site": "same-origin", "origin": "http://127.0.0.1:9180"},
    ],
    ids=str,
)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_pages_of_other_sites_may_not_use_the_api(method: str, headers: Mapping[str, str]) -> None:
    """Another port is another origin. Reading is refused, too: it would hold connections and cost looks."""
    assert refused({"content-type": "application/json", **headers}, method) == "origin_not_allowed"


@pytest.mark.parametrize(
    "headers",
    [{}, {"sec-fetch-site": "same-origin"}, {"sec-fetch-site": "none"}, {"origin": "http://localhost:9180"}],
    ids=str,
)
def test_the_page_itself_and_programs_may(headers: Mapping[str, str]) -> None:
    """Programs send neither header."""
    assert refused({"content-type": "application/json", **headers}, "POST") is None
    assert refused(headers) is None


@pytest.mark.parametrize("path", ["//api/status", "/api//status", "/api/status/", "//api/chat/x", "/static/main.js"])
def test_no_spelling_of_a_path_gets_around_that(path: str) -> None:
    """The framework finds a route also by `//api/status`."""
    assert refused({"sec-fetch-site": "cross-site"}, path=path) == "origin_not_allowed"


def test_anyone_may_follow_a_link_to_the_page() -> None:
    """Looking at it in the browser changes nothing, and no other page can read it."""
    assert refused({"sec-fetch-site": "cross-site"}, path="/") is None


@pytest.mark.parametrize("kind", ["", "text/plain", "application/x-www-form-urlencoded", "application/jsonx"])
def test_what_changes_something_needs_json(kind: str) -> None:
    """Of that kind a browser must ask first, before it may send it to another site."""
    assert refused({"content-type": kind}, "POST") == "not_json"
    assert refused({"content-type": kind}, "DELETE") == "not_json"


def test_the_kind_may_have_parameters() -> None:
    """As many libraries send it."""
    assert refused({"content-type": "application/json; charset=utf-8"}, "POST") is None


@pytest.mark.parametrize(("netloc", "name"), [("[2001:DB8::1]:80", "2001:db8::1"), ("a:b:c", ""), ("a@b", "")])
def test_names_are_read_as_browsers_write_them(netloc: str, name: str) -> None:
    """Whatever is no host and port has no name."""
    assert hostname(netloc) == name


async def test_every_answer_tells_browsers_to_be_careful() -> None:
    """The metrics, answers of routes, what is not found and what is refused."""

    @get("/api/seen", sync_to_thread=False)
    def seen() -> dict[str, bool]:
        return {"seen": True}

    @post("/api/done", sync_to_thread=False)
    def done() -> dict[str, bool]:
        raise AssertionError("it was called")

    async def metrics() -> bytes:
        return b"up 1\n"

    transport = httpx.ASGITransport(build_front(metrics, HOSTS, [seen, done]))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:9180") as asking:
        answers = [
            (await asking.get("/metrics", headers={"host": "supervisor.cluster"}), 200),
            (await asking.get("/api/seen"), 200),
            (await asking.get("/nothing"), 404),
            (await asking.get("/api/seen", headers={"host": "evil.example"}), 403),
            (await asking.post("/api/done", headers={"origin": "http://evil.example"}, json={}), 403),
            (await asking.post("/api/done", content=b"{}"), 415),
        ]
    for answer, status in answers:
        assert answer.status_code == status
        policy = answer.headers["content-security-policy"]
        assert "default-src 'self'" in policy and "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "access-control-allow-origin" not in answer.headers
    for answer, status in answers:
        if status in (403, 415):
            assert answer.json()["error"]["message"]
