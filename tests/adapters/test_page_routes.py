"""The status page's own API: what it shows, to whom, and what it lets them do."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs
from tests.support.page_desk import PageDesk, page_desk

from modelsvc import keyfile
from supervisor.core import events as ev
from supervisor.core import records as rec
from supervisor.core.state import Change, Color, DeploymentKind
from supervisor.core.steps import Step, StepState
from supervisor.page import chat as chat_module
from supervisor.page import news
from supervisor.page.log_tail import LINE_CHARACTERS, READ_BYTES, tail

LOOKS = ("/api/status", "/api/history", "/api/pulse")
PRIVATE = ("/api/logs?source=supervisor", "/api/chat/u")
OPERATIONS = ("/api/deployments", "/api/prewarm", "/api/rollback", "/api/swap")


@pytest.fixture
async def open_page(folder: Path) -> AsyncIterator[PageDesk]:
    async with page_desk(folder) as page:
        page.nginx.over.set()
        yield page


@pytest.fixture
async def keyed(folder: Path) -> AsyncIterator[PageDesk]:
    async with page_desk(folder, keys=True) as page:
        page.nginx.over.set()
        yield page


def error(response: httpx.Response, status: int) -> str:
    """The code of an error of the shape that all of the service's have."""
    assert response.status_code == status, response.text
    found = response.json()["error"]
    assert set(found) == {"type", "message", "code"} and found["message"]
    assert response.headers["cache-control"] == "no-store"
    return str(found["code"])


# --- the page itself --------------------------------------------------------------------------------------------------


async def test_the_page_is_its_own_files_and_nothing_else(open_page: PageDesk) -> None:
    """Each that it names is served, with its type; nothing in it is of another place or inline."""
    page = await open_page.page.get("/")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["cache-control"] == "no-cache"
    assert "://" not in page.text and "<style" not in page.text and " style=" not in page.text
    for name, kind in {"page.css": "text/css", "main.js": "text/javascript", "icon.svg": "image/svg+xml"}.items():
        assert f"/static/{name}" in page.text
        file = await open_page.page.get(f"/static/{name}")
        assert file.headers["content-type"].startswith(kind)
        assert file.text


@pytest.mark.parametrize("name", ["nothing.js", "..%2Faccess.py", "%2e%2e%2fkeys", "access.py", "__init__.py"])
async def test_no_other_file_is_served(open_page: PageDesk, name: str) -> None:
    """Names are looked up, never paths."""
    assert (await open_page.page.get(f"/static/{name}")).status_code == 404


async def test_what_is_nowhere_is_told_in_the_usual_shape(open_page: PageDesk) -> None:
    """Also of paths and methods that no route has."""
    assert error(await open_page.page.get("/nowhere"), 404) == "not_found"
    assert error(await open_page.page.get("/static/a/b"), 404) == "not_found"
    assert error(await open_page.page.put("/api/status", json={}), 405) == "invalid_request"


# --- looking ----------------------------------------------------------------------------------------------------------


async def test_the_status_is_what_the_control_socket_tells_and_more(open_page: PageDesk) -> None:
    """The steps' titles, who holds what, and what whoever asks may do."""
    answer = await open_page.page.get("/api/status")
    look = answer.json()
    assert answer.headers["cache-control"] == "no-store"
    assert look["status"]["active"] == "blue"
    assert look["status"]["workers"]["green"]["state"] == "absent"
    assert look["steps"] == [step.title for step in Step]
    assert [share["who"] for share in look["shares"]] == ["supervisor"]
    assert sum(share["private_bytes"] for share in look["shares"]) <= look["status"]["memory"]["used_bytes"]
    assert look["allowed"] == {"keys": False, "key": None, "chat": True, "logs": True, "operate": False} | {
        "why": look["allowed"]["why"]
    }
    assert "security.api_keys_file" in look["allowed"]["why"]


async def test_many_who_look_at_once_cost_one_look(open_page: PageDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    """They share it; one who goes away meanwhile ends nobody else's."""
    looks = 0
    real = type(open_page.desk.status).report

    async def counted(reporter: Any) -> Any:
        nonlocal looks
        looks += 1
        await asyncio.sleep(0.05)
        return await real(reporter)

    monkeypatch.setattr(type(open_page.desk.status), "report", counted)
    leaves, *others = (asyncio.create_task(open_page.page.get("/api/status")) for _ in range(20))
    await asyncio.sleep(0.01)
    leaves.cancel()
    assert {answer.status_code for answer in await asyncio.gather(*others)} == {200}
    assert looks == 1


async def test_the_last_deployment_is_of_the_same_moment_as_the_status(
    open_page: PageDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a page would take one that began meanwhile for over, and never look at how it ended."""
    real = type(open_page.desk.status).report

    async def slow(reporter: Any) -> Any:
        status = await real(reporter)
        open_page.desk.journal.write(rec.DeploymentBegan("d", 9, DeploymentKind.DEPLOY, Color.BLUE, Color.GREEN))
        return status

    monkeypatch.setattr(type(open_page.desk.status), "report", slow)
    look = (await open_page.page.get("/api/status")).json()
    assert (look["status"]["deployment"], look["last_deployment"]) == (None, 0)
    assert open_page.desk.journal.last_deployment() == 9


async def test_history_is_newest_first_with_evidence(open_page: PageDesk) -> None:
    """As the journal has it; none yet is an empty list."""
    assert (await open_page.page.get("/api/history")).json() == {"deployments": []}
    journal = open_page.desk.journal
    for number in (1, 2):
        journal.write(rec.DeploymentBegan("d", number, DeploymentKind.DEPLOY, Color.BLUE, Color.GREEN))
        journal.write(rec.StepChanged(number, Step.ADMIT, StepState.DONE, "fits", 3, {"forecast": {"kv_bytes": 5}}))
    told = (await open_page.page.get("/api/history")).json()["deployments"]
    assert [each["deployment"] for each in told] == [2, 1]
    assert told[0]["steps"][0]["evidence"] == {"forecast": {"kv_bytes": 5}}


async def test_samples_are_asked_for_by_number(open_page: PageDesk) -> None:
    """Only what is new travels."""
    for _ in range(3):
        await open_page.pulse.sample()
    report = (await open_page.page.get("/api/pulse?after=1")).json()
    assert [sample["number"] for sample in report["samples"]] == [2, 3]
    assert report["samples"][0]["active"] == "blue"
    assert error(await open_page.page.get("/api/pulse?after=-1"), 400)


async def test_events_have_a_limit_of_followers(open_page: PageDesk) -> None:
    """Each holds a connection; who is turned away is told so."""
    open_page.desk.feed.followers = news.FOLLOWERS
    assert error(await open_page.page.get("/api/events"), 429) == "too_many"


# --- logs -------------------------------------------------------------------------------------------------------------


async def test_the_end_of_a_log_is_shown_and_then_only_what_is_new(open_page: PageDesk) -> None:
    """A cursor says what was seen; an unchanged log costs no lines."""
    log = open_page.desk.paths.logs / "supervisor.log"
    log.write_text("one\ntwo\nthree\n")
    seen = (await open_page.page.get("/api/logs?source=supervisor&lines=2")).json()
    assert (seen["lines"], seen["shortened"]) == (["two", "three"], True)
    again = f"/api/logs?source=supervisor&lines=2&cursor={seen['cursor']}"
    assert (await open_page.page.get(again)).json()["lines"] is None
    with log.open("a") as file:
        file.write("four\n")
    assert (await open_page.page.get(again)).json()["lines"] == ["three", "four"]


async def test_there_is_no_log_but_those_of_the_service(open_page: PageDesk) -> None:
    """Sources are names, not paths; one that is not written yet is empty."""
    assert error(await open_page.page.get("/api/logs?source=../keys"), 404) == "no_log"
    assert (await open_page.page.get("/api/logs?source=blue")).json()["lines"] == []
    assert error(await open_page.page.get("/api/logs"), 400)


def test_neither_a_long_log_nor_a_long_line_is_read_whole(folder: Path) -> None:
    """A few hundred kB are, and whole lines of them; one line longer than that is cut."""
    log = folder / "x.log"
    log.write_bytes(b"a" * (3 * READ_BYTES) + b"\n" + b"short\n" + b"b" * 10_000 + b"\n\xff\xfe\n")
    found = tail("x", log, 100)
    assert found.lines is not None
    assert found.lines[0] == "short"
    assert len(found.lines[1]) < LINE_CHARACTERS + 50 and "8000 more" in found.lines[1]
    assert found.lines[2] == "��"
    log.write_bytes(b"c" * (2 * READ_BYTES))
    (only,) = tail("x", log, 100).lines or []
    assert len(only) < LINE_CHARACTERS + 50


def test_a_line_of_a_log_ends_with_its_newline_only(folder: Path) -> None:
    """What a model says has other separators in it, which must not tear JSON apart."""
    log = folder / "x.log"
    log.write_text('{"event": "a\u2028b\x85c\x0bd"}\n\nlast', encoding="utf-8")
    assert tail("x", log, 100).lines == ['{"event": "a\u2028b\x85c\x0bd"}', "", "last"]
    log.write_text("")
    assert tail("x", log, 100).lines == []


# --- who may what -----------------------------------------------------------------------------------------------------


async def test_without_keys_one_may_look_and_chat_but_change_nothing(open_page: PageDesk) -> None:
    """And is told how to change that."""
    for path in (*LOOKS, *PRIVATE):
        assert (await open_page.page.get(path)).status_code == 200, path
    for path in OPERATIONS:
        answer = await open_page.page.post(path, json={}, headers=open_page.with_key("anything"))
        assert error(answer, 403) == "read_only"
        assert "security.api_keys_file" in answer.text
    assert open_page.desk.asked == []


async def test_with_keys_one_without_may_only_look(keyed: PageDesk) -> None:
    """Logs, conversations and operations are for those with a key."""
    for path in LOOKS:
        assert (await keyed.page.get(path)).status_code == 200
    for headers, code in (({}, "no_api_key"), (keyed.with_key(keyfile.make_key()), "wrong_api_key")):
        for path in PRIVATE:
            answer = await keyed.page.get(path, headers=headers)
            assert error(answer, 401) == code
            assert answer.headers["www-authenticate"].startswith("Bearer")
        for path in (*OPERATIONS, "/api/chat/u"):
            assert error(await keyed.page.post(path, json={}, headers=headers), 401) == code
    assert keyed.desk.asked == [] and keyed.nginx.asked == []


async def test_with_a_key_one_may_all(keyed: PageDesk) -> None:
    """And what is asked is what `ctl` asks without arguments."""
    for path in (*LOOKS, *PRIVATE):
        assert (await keyed.page.get(path, headers=keyed.with_key())).status_code == 200
    for path in OPERATIONS:
        answer = await keyed.page.post(path, json={}, headers=keyed.with_key())
        assert answer.status_code == 200
        assert '"event":"finished"' in answer.text.splitlines()[-1]
    ids = [event.request for event in keyed.desk.asked]  # type: ignore[union-attr]
    assert keyed.desk.asked == [
        ev.DeployRequested(ids[0], Change()),
        ev.PrewarmRequested(ids[1], Change()),
        ev.SwitchRequested(ids[2], DeploymentKind.ROLLBACK),
        ev.SwitchRequested(ids[3], DeploymentKind.SWAP),
    ]
    allowed = (await keyed.page.get("/api/status", headers=keyed.with_key())).json()["allowed"]
    assert (allowed["key"], allowed["operate"], allowed["why"]) == ("ada", True, "")


async def test_a_key_that_was_taken_away_opens_nothing(keyed: PageDesk, folder: Path) -> None:
    """At once, without a restart; a file that is broken keeps the keys that were good."""
    path = "/api/logs?source=blue"
    (folder / "keys").chmod(0o644)
    assert (await keyed.page.get(path, headers=keyed.with_key())).status_code == 200
    (folder / "keys").chmod(0o600)
    keyfile.remove(folder / "keys", "ada")
    assert error(await keyed.page.get(path, headers=keyed.with_key()), 401) == "wrong_api_key"


@pytest.mark.parametrize("listen", ["0.0.0.0:9180", "[::]:9180", "192.0.2.1:9180"])
async def test_beyond_this_machine_nothing_is_served_without_keys(folder: Path, listen: str) -> None:
    """But the metrics; the answer says what to do."""
    async with page_desk(folder, listen=listen) as desk:
        for path in ("/", "/static/main.js", *LOOKS, *PRIVATE, "/api/events"):
            answer = await desk.page.get(path)
            assert error(answer, 403) == "not_served"
            assert "security.api_keys_file" in answer.text
        assert (await desk.page.post("/api/rollback", json={})).status_code == 403
        assert (await desk.page.get("/metrics")).status_code == 200


async def test_beyond_this_machine_even_looking_needs_a_key(folder: Path) -> None:
    """The page itself has nothing private in it, and asks for the key."""
    async with page_desk(folder, keys=True, listen="0.0.0.0:9180") as desk:
        assert (await desk.page.get("/")).status_code == 200
        for path in (*LOOKS, "/api/events"):
            assert error(await desk.page.get(path), 401) == "no_api_key"
        for path in LOOKS:
            assert (await desk.page.get(path, headers=desk.with_key())).status_code == 200


async def test_two_authorizations_are_none(keyed: PageDesk) -> None:
    """Whoever is behind a proxy must not be taken for somebody else."""
    twice = [("authorization", f"Bearer {keyed.key}")] * 2
    assert error(await keyed.page.get("/api/logs?source=blue", headers=twice), 401) == "wrong_api_key"


# --- chat -------------------------------------------------------------------------------------------------------------


async def test_chat_passes_to_the_edge_and_back_as_it_is(keyed: PageDesk) -> None:
    """With the caller's key, under a name that workers serve; of the answer's headers only those that are meant."""
    keyed.nginx.pieces = [b"event: token\n", b"\xff\x00binary"]
    body = b'{"message": "Hello", "stream": true}'
    headers = {**keyed.with_key(), "content-type": "application/json", "origin": "http://localhost:9180"}
    answer = await keyed.page.post("/api/chat/ada@home", content=body, headers={**headers, "cookie": "a=b"})

    assert answer.content == b"event: token\n\xff\x00binary"
    assert answer.headers["x-modelsvc-color"] == "green"
    assert answer.headers["content-type"] == "text/event-stream"
    assert "set-cookie" not in answer.headers
    (asked,) = keyed.nginx.asked
    head, _, sent = asked.partition(b"\r\n\r\n")
    assert sent == body
    assert head.startswith(b"POST /chat/ada@home HTTP/1.1")
    lines = head.lower().split(b"\r\n")
    assert b"host: localhost" in lines
    assert b"authorization: bearer " + keyed.key.lower().encode() in lines
    assert not any(line.startswith((b"cookie", b"origin")) for line in lines)


async def test_a_body_that_breaks_off_is_no_defect(open_page: PageDesk) -> None:
    """Nothing is asked, nothing complained of: anybody could fill the log with it."""
    told: list[Any] = [{"type": "http.request", "body": b'{"mess', "more_body": True}, {"type": "http.disconnect"}]
    sent: list[Any] = []

    async def receive() -> Any:
        return told.pop(0) if len(told) > 1 else told[0]

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"host", b"localhost"), (b"content-type", b"application/json")]
    transport = open_page.page._transport
    assert isinstance(transport, httpx.ASGITransport)
    scope = {
        "type": "http", "method": "POST", "path": "/api/chat/u", "raw_path": b"/api/chat/u", "query_string": b"",
        "headers": headers, "scheme": "http", "server": ("localhost", 9180), "client": None, "http_version": "1.1",
        "root_path": "",
    }  # fmt: skip
    with capture_logs() as logged:
        await transport.app(scope, receive, send)
    assert sent[0]["status"] == 400
    assert open_page.nginx.asked == []
    assert logged == []


@pytest.mark.parametrize("user", ["a%2F..%2F..%2Fmetrics", "a%3Fx", "..", "a%0d%0ax: y", "%C3%A4"])
async def test_no_user_id_leaves_the_chat(open_page: PageDesk, user: str) -> None:
    """Ids are the edge's: what cannot be one is not asked."""
    answer = await open_page.page.post(f"/api/chat/{user}", json={"message": "x"})
    assert answer.status_code in (400, 404, 405)
    assert open_page.nginx.asked == []


async def test_a_body_beyond_the_limit_is_refused(open_page: PageDesk) -> None:
    """Before anything is asked; operations take even less."""
    big = b'"' + b"x" * chat_module.BODY_BYTES + b'"'
    json = {"content-type": "application/json"}
    assert error(await open_page.page.post("/api/chat/u", content=big, headers=json), 413)
    assert open_page.nginx.asked == []


async def test_answers_at_once_are_limited_and_places_are_given_back(folder: Path) -> None:
    """One more is refused; when all have ended there is room again."""
    async with page_desk(folder) as desk:
        ask = [asyncio.create_task(desk.page.get(f"/api/chat/u{n}")) for n in range(chat_module.AT_ONCE)]
        async with asyncio.timeout(10):
            while len(desk.nginx.asked) < chat_module.AT_ONCE:
                await asyncio.sleep(0.01)
        assert error(await desk.page.get("/api/chat/u"), 429) == "too_many"
        desk.nginx.over.set()
        assert {answer.status_code for answer in await asyncio.gather(*ask)} == {200}
        assert (await desk.page.get("/api/chat/u")).status_code == 200


async def test_an_edge_that_is_away_is_told(open_page: PageDesk) -> None:
    """nginx may be restarting; the place is given back all the same."""
    open_page.relay._client.base_url = "http://127.0.0.1:1"
    for _ in range(chat_module.AT_ONCE + 1):
        answer = await open_page.page.post("/api/chat/u", json={"message": "x"})
        assert error(answer, 502) == "edge_away"


async def test_whoever_goes_away_ends_the_request_at_the_edge(folder: Path) -> None:
    """And so the generation: nobody reads it any more. The place is free again."""
    async with page_desk(folder) as desk:
        answer = await desk.relay.pass_on("GET", "u", b"", [])
        chunks = answer.iterator  # type: ignore[attr-defined]  # a stream's
        desk.nginx.pieces = [b"x"]
        assert desk.relay._running == 1
        await chunks.aclose()
        async with asyncio.timeout(10):
            while not desk.nginx.gone:
                await asyncio.sleep(0.01)
        assert desk.relay._running == 0
