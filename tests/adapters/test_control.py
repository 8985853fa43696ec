"""The control API: what is asked reaches the planner, what cannot be meant is answered and changes nothing."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.core.world import BLUE, GREEN
from tests.support.control_plane import Desk, client, desk

from supervisor import protocol
from supervisor.core import events as ev
from supervisor.core import records as rec
from supervisor.core.state import Change, DeploymentKind, Outcome


@pytest.fixture
async def asked(folder: Path) -> AsyncIterator[Desk]:
    async with desk(folder, {BLUE: 1, GREEN: 1}) as asked:
        yield asked


@pytest.fixture
async def api(asked: Desk) -> AsyncIterator[httpx.AsyncClient]:
    async with client(asked) as api:
        yield api


def events(response: httpx.Response) -> list[protocol.StreamEvent]:
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("application/x-ndjson")
    return [protocol.decode_event(line) for line in response.content.splitlines()]


def finished(response: httpx.Response) -> protocol.Finished:
    last = events(response)[-1]
    assert isinstance(last, protocol.Finished)
    return last


def error(response: httpx.Response, status: int, kind: str) -> str:
    """The message of an error of the agreed shape."""
    assert response.status_code == status, response.text
    body = response.json()
    assert set(body) == {"error"}
    assert set(body["error"]) == {"type", "message", "code"}
    assert body["error"]["type"] == kind
    message = body["error"]["message"]
    assert message
    assert "Traceback" not in message
    return str(message)


# --- operations -------------------------------------------------------------------------------------------------------


async def test_a_deployment_is_streamed_to_its_end(asked: Desk, api: httpx.AsyncClient) -> None:
    """One event a line; the change is what was asked, and nothing else."""
    body = {"model": "/models/new.gguf", "settings": {"model.context_tokens": 8192, "model.kv_cache": "q8_0"}}
    told = events(await api.post("/deployments", json=body))

    (event,) = asked.asked
    assert isinstance(event, ev.DeployRequested)
    assert event.change == Change("/models/new.gguf", {"model.context_tokens": 8192, "model.kv_cache": "q8_0"})
    assert isinstance(told[0], protocol.Accepted)
    assert sum(isinstance(one, protocol.StepChanged) for one in told) == 26
    last = told[-1]
    assert isinstance(last, protocol.Finished)
    assert (last.outcome, last.active, last.release) == (Outcome.SUCCEEDED, GREEN, 2)


async def test_every_operation_becomes_its_event(asked: Desk, api: httpx.AsyncClient) -> None:
    """Under a request id of its own."""
    await api.post("/deployments", json={})
    await api.post("/deployments", json={"in_place": True})
    await api.post("/deployments", json={"fast": True})
    await api.post("/prewarm", json={"model": "/m.gguf"})
    for path in ("/prewarm/cancel", "/pause", "/resume", "/rollback?in_place=true"):
        await api.post(path)
    for path in ("/rollback", "/swap", "/workers/blue/start"):
        await api.post(path)
    await api.post("/workers/green/stop", json={"force": True})
    await api.post("/workers/blue/stop", json={})
    await api.post("/shutdown")
    await api.post("/handover")
    ids = [event.request for event in asked.asked]  # type: ignore[union-attr]

    assert asked.asked == [
        ev.DeployRequested(ids[0], Change()),
        ev.DeployRequested(ids[1], Change(), in_place=True),
        ev.DeployRequested(ids[2], Change(), fast=True),
        ev.PrewarmRequested(ids[3], Change("/m.gguf")),
        ev.CancelRequested(ids[4]),
        ev.PauseRequested(ids[5]),
        ev.ResumeRequested(ids[6]),
        ev.SwitchRequested(ids[7], DeploymentKind.ROLLBACK, in_place=True),
        ev.SwitchRequested(ids[8], DeploymentKind.ROLLBACK),
        ev.SwitchRequested(ids[9], DeploymentKind.SWAP),
        ev.StartRequested(ids[10], BLUE),
        ev.StopRequested(ids[11], GREEN, True),
        ev.StopRequested(ids[12], BLUE, False),
        ev.ShutdownRequested(ids[13]),
        ev.HandoverRequested(ids[14]),
    ]
    assert len(set(ids)) == len(ids)


async def test_a_switch_may_name_its_colour(asked: Desk, api: httpx.AsyncClient) -> None:
    """It becomes the event's goal; another word is none."""
    await api.post("/rollback?to=blue")
    await api.post("/swap?to=green")
    ids = [event.request for event in asked.asked]  # type: ignore[union-attr]

    assert asked.asked == [
        ev.SwitchRequested(ids[0], DeploymentKind.ROLLBACK, to=BLUE),
        ev.SwitchRequested(ids[1], DeploymentKind.SWAP, to=GREEN),
    ]
    assert "there are blue and green" in error(await api.post("/swap?to=red"), 400, "invalid_request")


async def test_a_refusal_by_the_planner_is_an_outcome(api: httpx.AsyncClient) -> None:
    """Understood, but not done: the stream says why."""
    answer = finished(await api.post("/swap"))

    assert answer.outcome is Outcome.REFUSED
    assert "modelsvc ctl start green" in answer.reason


async def test_whoever_goes_away_leaves_nothing_behind(asked: Desk, api: httpx.AsyncClient) -> None:
    """Nobody's queue fills up."""
    await api.post("/rollback")
    await api.post("/deployments", json={})
    assert asked.hub._waiting == {}


# --- what cannot be meant ---------------------------------------------------------------------------------------------

DEPLOY = "/deployments"
MALFORMED = [
    (DEPLOY, b"{", 400, "truncated"),
    (DEPLOY, b"", 400, "must be a JSON object"),
    (DEPLOY, b"\xff\xfe", 400, "JSON is malformed"),
    (DEPLOY, b"[]", 400, "object"),
    (DEPLOY, b"null", 400, "object"),
    (DEPLOY, b'{"model": 5}', 400, "model"),
    (DEPLOY, b'{"model": ["/a"]}', 400, "model"),
    (DEPLOY, b'{"settings": []}', 400, "settings"),
    (DEPLOY, b'{"settings": {"model.slots": null}}', 400, "settings"),
    (DEPLOY, b'{"settings": {"model.slots": {"x": 1}}}', 400, "settings"),
    (DEPLOY, b'{"modle": "/a"}', 400, "modle"),
    (DEPLOY, b'{"model": "a.gguf"}', 400, "absolute path, not 'a.gguf'"),
    (DEPLOY, b'{"model": ""}', 400, "absolute path"),
    (DEPLOY, b'{"settings": {"model.path": "../a.gguf"}}', 400, "absolute path"),
    (DEPLOY, b'{"settings": {"edge.listen": "x"}}', 400, "'edge.listen' cannot be set"),
    (DEPLOY, b'{"settings": {"slots": 4}}', 400, "'slots' cannot be set"),
    (DEPLOY, b'{"settings": {"model.slots": 0}}', 400, "model.slots"),
    (DEPLOY, b'{"settings": {"model.slots": "4"}}', 400, "model.slots"),
    (DEPLOY, b'{"settings": {"model.slots": true}}', 400, "model.slots"),
    (DEPLOY, b'{"settings": {"model.context_tokens": 1e99}}', 400, "model.context_tokens"),
    ("/workers/blue/stop", b'{"force": "yes"}', 400, "force"),
    ("/workers/blue/stop", b'{"farce": true}', 400, "farce"),
]


@pytest.mark.parametrize(("path", "content", "status", "text"), MALFORMED, ids=[str(row[1]) for row in MALFORMED])
async def test_a_body_that_cannot_be_meant(
    asked: Desk, api: httpx.AsyncClient, path: str, content: bytes, status: int, text: str
) -> None:
    """One clear error; the planner never hears of it."""
    response = await api.post(path, content=content, headers={"Content-Type": "application/json"})

    assert text in error(response, status, "invalid_request")
    assert asked.asked == []


async def test_all_that_is_wrong_is_said_at_once(asked: Desk, api: httpx.AsyncClient) -> None:
    """Keys that cannot be set, and values that cannot be."""
    unsettable = {"settings": {"edge.listen": 1, "model.color": 2}}
    impossible = {"settings": {"model.slots": 0, "model.kv_cache": "f8", "model.gpu_layers": -1}}
    for body, keys in ((unsettable, ("edge.listen", "model.color")), (impossible, tuple(impossible["settings"]))):
        message = error(await api.post(DEPLOY, json=body), 400, "invalid_request")
        assert all(key in message for key in keys)
    assert asked.asked == []


async def test_a_huge_body_is_not_read(asked: Desk, api: httpx.AsyncClient) -> None:
    """Nothing that can be meant is that long."""
    body = {"model": "/" + "x" * 100_000}
    assert "more than 65536 bytes" in error(await api.post(DEPLOY, json=body), 413, "invalid_request")
    assert asked.asked == []


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("POST", "/workers/red/start", 400),
        ("POST", "/workers/red/stop", 400),
        ("POST", "/workers/BLUE/start", 400),
        ("GET", "/deployments/one", 404),
        ("GET", "/deployments/-1", 400),
        ("GET", "/deployments/-99999999999999999999999", 400),
        ("GET", "/deployments/99999999999999999999999", 400),
        ("GET", "/logs?source=syslog", 404),
        ("GET", "/logs?source=../supervisor", 404),
        ("DELETE", "/status", 405),
        ("GET", "/swap", 405),
        ("GET", "/logs", 400),
        ("GET", "/logs?source=blue&lines=0", 400),
        ("GET", "/logs?source=blue&lines=10001", 400),
        ("GET", "/logs?source=blue&lines=many", 400),
        ("GET", "/history?limit=0", 400),
        ("GET", "/history?limit=1001", 400),
        ("GET", "/history?limit=1.5", 400),
    ],
)
async def test_a_request_line_that_cannot_be_meant(
    asked: Desk, api: httpx.AsyncClient, method: str, path: str, status: int
) -> None:
    """Unknown paths, logs and deployments are not found; no colours and impossible numbers are invalid."""
    response = await api.request(method, path, json={} if method == "POST" else None)

    error(response, status, "not_found" if status == 404 else "invalid_request")
    assert asked.asked == []


async def test_what_is_not_found_is_named(api: httpx.AsyncClient) -> None:
    """With what there is."""
    assert "there are supervisor, blue" in error(await api.get("/logs?source=green"), 404, "not_found")
    assert "no deployment 7: see `modelsvc ctl history`" in error(await api.get("/deployments/7"), 404, "not_found")


async def test_a_defect_is_told_as_one(asked: Desk, api: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without its insides; those are in the log."""

    async def broken(*_: Any) -> None:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr(type(asked.status), "report", broken)
    message = error(await api.get("/status"), 500, "failed")

    assert "defect" in message
    assert "secret" not in message


# --- reports ----------------------------------------------------------------------------------------------------------


async def test_history_and_one_deployment_of_it(asked: Desk, api: httpx.AsyncClient) -> None:
    """Newest first, as many as asked for."""
    for number in (1, 2, 3):
        asked.journal.write(rec.DeploymentBegan("r", number, DeploymentKind.DEPLOY, BLUE, GREEN))
        asked.journal.write(rec.RequestEnded("r", Outcome.SUCCEEDED, "", number, number, GREEN))

    found = (await api.get("/history", params={"limit": 2})).json()["deployments"]
    assert [deployment["deployment"] for deployment in found] == [3, 2]
    assert (await api.get("/deployments/2")).json()["outcome"] == "succeeded"


async def test_the_last_lines_of_a_log(asked: Desk, api: httpx.AsyncClient) -> None:
    """None where nothing was logged yet."""
    (asked.paths.logs / "supervisor.log").write_text("1\n2\n3\n")

    told = (await api.get("/logs?source=supervisor&lines=2")).json()
    assert (told["source"], told["lines"]) == ("supervisor", ["2", "3"])
    assert (await api.get("/logs?source=blue")).json() == {"source": "blue", "lines": [], "place": "0-0"}


async def test_a_log_is_read_on_from_a_place(asked: Desk, api: httpx.AsyncClient) -> None:
    """Each answer tells where the next one begins."""
    log = asked.paths.logs / "supervisor.log"
    log.write_text("1\n")
    place = (await api.get("/logs?source=supervisor")).json()["place"]
    log.write_text("1\n2\n")
    told = (await api.get(f"/logs?source=supervisor&after={place}")).json()
    again = (await api.get(f"/logs?source=supervisor&after={told['place']}")).json()

    assert told["lines"] == ["2"] and again["lines"] == []
    assert "after" in error(await api.get("/logs?source=supervisor&after=now"), 400, "invalid_request")


async def test_the_api_describes_itself(api: httpx.AsyncClient) -> None:
    """As OpenAPI, served beside it."""
    schema = (await api.get("/schema/openapi.json")).json()

    assert schema["info"]["title"] == "modelsvc control API"
    assert {"/v1/status", "/v1/deployments", "/v1/rollback", "/v1/workers/{color}/stop"} <= set(schema["paths"])


async def test_a_plan_is_checked_as_a_deployment_is(asked: Desk) -> None:
    """And asks the planner nothing."""
    async with client(asked) as api:
        wrong = await api.post("/plan", json={"settings": {"model.kv_cache": "f64"}})
        relative = await api.post("/plan", json={"model": "m.gguf"})
        right = await api.post("/plan", json={"settings": {"model.context_tokens": 1024}})

    assert (wrong.status_code, relative.status_code) == (400, 400)
    assert "model.kv_cache" in wrong.json()["error"]["message"]
    assert right.status_code == 200
    assert (right.json()["admitted"], right.json()["release"]) == (True, 2)
    assert right.json()["settings"]["context_tokens"] == 1024
    assert asked.asked == []


async def test_memory_of_what_there_is(asked: Desk) -> None:
    """This process is the supervisor; workers and nginx are not there to be measured."""
    async with client(asked) as api:
        told = (await api.get("/memory")).json()

    assert [process["who"] for process in told["processes"]] == ["supervisor"]
    assert (told["models"], told["observations"], told["forecast"]) == ([], [], None)
    assert told["used_bytes"] == told["processes"][0]["private_bytes"] > 0


async def test_an_explanation_has_the_deployment_and_both_releases(asked: Desk) -> None:
    """Those whose records are still there."""
    asked.journal.write(rec.DeploymentBegan("d", 3, DeploymentKind.DEPLOY, BLUE, GREEN))
    async with client(asked) as api:
        told = (await api.get("/deployments/3/explanation")).json()
        none = await api.get("/deployments/4/explanation")

    assert (told["deployment"]["deployment"], told["release"], told["previous"]) == (3, None, None)
    assert (none.status_code, none.json()["error"]["code"]) == (404, "no_deployment")
