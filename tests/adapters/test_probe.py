"""Asking workers, directly or through the edge, once or for a while, whatever they answer."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
from disposable.ports import reserved_ports
from tests.support.scripted_worker import BREAKS, ScriptedWorker, scripted_worker

from supervisor.core.sharing import Load
from supervisor.core.state import Color
from supervisor.errors import WorkerError
from supervisor.steps import bake
from supervisor.steps.bake import stays_ready
from supervisor.steps.routing import verify_route
from supervisor.workers import probe as module
from supervisor.workers.probe import InFlight, Probe

BLUE, GREEN = Color.BLUE, Color.GREEN
NOT_READY = (503, {"error": {"type": "unavailable", "message": "loading 42 %", "code": "not_ready"}})
CHAT = (200, {"response": "hi", "usage": {"completion_tokens": 4}})
NONSENSE = [b"<html>", b"", [1, 2], "text", {"x": 1}, {"requests": None}, {"requests": {"in_flight": "many"}}]


@pytest.fixture
async def blue() -> AsyncIterator[ScriptedWorker]:
    async with scripted_worker() as worker:
        yield worker


@pytest.fixture
async def probe(blue: ScriptedWorker) -> AsyncIterator[Probe]:
    """Nobody is at green's port; blue is also what the edge routes to."""
    with reserved_ports(1) as (nobody,):
        probe = Probe({BLUE: blue.port, GREEN: nobody}, f"http://127.0.0.1:{blue.port}")
        yield probe
        await probe.close()


async def test_a_ready_worker_passes(blue: ScriptedWorker, probe: Probe) -> None:
    """It said so itself."""
    blue.answers["/ready"] = (200, {"ready": True})
    await probe.ready(BLUE)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (NOT_READY, "not ready: loading 42 %"),
        ((500, b"<html>oops</html>"), "not ready: HTTP 500: <html>oops"),
        ((404, [1]), "HTTP 404"),
        ((503, {"error": "text"}), "HTTP 503"),
    ],
)
async def test_a_worker_that_is_not_ready_says_why(
    blue: ScriptedWorker, probe: Probe, answer: object, reason: str
) -> None:
    """In its own words, or in the status it sent."""
    blue.answers["/ready"] = answer
    with pytest.raises(WorkerError, match=reason) as caught:
        await probe.ready(BLUE)
    assert caught.value.code == "not_ready"


async def test_nobody_there_is_an_error_that_names_whom_and_where(probe: Probe) -> None:
    """Not a Python value."""
    with pytest.raises(WorkerError, match=r"the green worker does not answer at http://127.*/ready: ") as caught:
        await probe.ready(GREEN)
    assert caught.value.code == "no_answer"
    assert "Error(" not in caught.value.message


async def test_a_worker_that_hangs_is_not_waited_for(
    blue: ScriptedWorker, probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither by a step nor by the status, which is asked for by people."""
    monkeypatch.setattr(module, "STATUS_TIMEOUT_S", 0.05)
    monkeypatch.setattr(probe._client, "timeout", 0.05)
    blue.answers = {"/ready": None, "/health/deep": None}
    with pytest.raises(WorkerError, match="does not answer"):
        await probe.ready(BLUE)
    with pytest.raises(WorkerError, match="does not tell its requests in flight"):
        await probe.in_flight(BLUE)
    assert await probe.health(BLUE) is None


async def test_warming_up_is_real_inference(blue: ScriptedWorker, probe: Probe) -> None:
    """Through the door clients use; it tells how much was generated."""
    blue.answers["/chat"] = CHAT
    told = await probe.warm_up(BLUE)

    assert told.startswith("4 tokens in ")
    chats = [body for path, body in blue.asked if path == "/chat"]
    assert [(body["max_tokens"], body["temperature"]) for body in chats] == [(2, 0.0)]


def weights(**told: object) -> tuple[int, object]:
    return 200, {"model": {"mapped_bytes": 0, "copied_bytes": 0, "repacked": False, **told}}


@pytest.mark.parametrize(
    "answer",
    [
        (200, {"model": {}}),
        (200, {"model": [1]}),
        (200, b"not json"),
    ],
    ids=str,
)
async def test_a_worker_that_does_not_tell_its_load_is_an_error(
    blue: ScriptedWorker, probe: Probe, answer: object
) -> None:
    """There is no proof without it."""
    blue.answers["/health/deep"] = answer
    with pytest.raises(WorkerError, match="does not tell how it holds its weights"):
        await probe.load(BLUE)


async def test_a_load_as_the_worker_tells_it(blue: ScriptedWorker, probe: Probe) -> None:
    """Older workers say nothing of devices."""
    blue.answers["/health/deep"] = [weights(mapped_bytes=5), weights(copied_bytes=7, repacked=True, device_bytes=9)]
    assert await probe.load(BLUE) == Load(5, 0, False, 0)
    assert await probe.load(BLUE) == Load(0, 7, True, 9)


async def test_counters_are_what_the_worker_tells_or_nothing(blue: ScriptedWorker, probe: Probe) -> None:
    """With the id of the worker they belong to; nonsense is not taken for zero."""
    told = {"worker_id": "blue-1", "requests": {"total": 7, "failed": 1}}
    blue.answers["/health/deep"] = [(200, told), (200, {"worker_id": "blue-1"}), (200, [1]), (200, b"<html>")]
    assert await probe.counts(BLUE) == ("blue-1", 7, 1)
    assert [await probe.counts(BLUE) for _ in range(3)] == [None] * 3
    assert await probe.counts(GREEN) is None


async def test_a_bad_look_at_the_end_of_a_bake_is_followed_up(blue: ScriptedWorker, probe: Probe) -> None:
    """A worker that froze just before is not passed."""
    blue.answers["/ready"] = [(200, {}), (503, {"error": {"message": "frozen"}})]
    with pytest.raises(WorkerError, match="frozen"):
        await stays_ready(probe, BLUE, 0.3)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ((500, {"error": {"message": "decode failed"}}), "refused a warm-up prompt: decode failed"),
        ((200, b"not json"), "answered a warm-up prompt with nonsense"),
        ((200, {"response": "hi"}), "answered a warm-up prompt with nonsense"),
        ((200, [1]), "answered a warm-up prompt with nonsense"),
    ],
)
async def test_a_worker_that_cannot_infer_fails_the_warm_up(
    blue: ScriptedWorker, probe: Probe, answer: object, reason: str
) -> None:
    """With what it said."""
    blue.answers["/chat"] = answer
    with pytest.raises(WorkerError, match=reason):
        await probe.warm_up(BLUE)
    with pytest.raises(WorkerError, match="did not finish a warm-up prompt"):
        await probe.warm_up(GREEN)


async def test_requests_in_flight(blue: ScriptedWorker, probe: Probe) -> None:
    """As the worker counts them; one that is gone has none."""
    blue.answers["/health/deep"] = (200, {"requests": {"in_flight": 3}})
    assert await probe.in_flight(BLUE) == InFlight(3)
    assert await probe.in_flight(GREEN) == InFlight(0)


@pytest.mark.parametrize("answer", NONSENSE, ids=str)
async def test_nonsense_is_no_count(blue: ScriptedWorker, probe: Probe, answer: object) -> None:
    """A drain must not take it for zero."""
    blue.answers["/health/deep"] = (200, answer)
    with pytest.raises(WorkerError, match="does not tell its requests in flight"):
        await probe.in_flight(BLUE)


async def test_health_is_what_the_worker_tells_or_nothing(blue: ScriptedWorker, probe: Probe) -> None:
    """It never fails: a status is asked for when something is wrong."""
    healthy: list[dict[str, object]] = [{"requests": {}}, {}]
    for answer in healthy:
        blue.answers["/health/deep"] = (200, answer)
        assert await probe.health(BLUE) == answer
    for nonsense in (b"<html>", b"", [1, 2], 5):
        blue.answers["/health/deep"] = (200, nonsense)
        assert await probe.health(BLUE) is None
    assert await probe.health(GREEN) is None


async def test_a_route_is_verified_by_answers_in_a_row(blue: ScriptedWorker, probe: Probe) -> None:
    """Each on a connection of its own, all of the wanted colour and release."""
    blue.answers["/healthz"] = (200, {})
    blue.headers = {"X-Modelsvc-Color": "blue", "X-Modelsvc-Release": "7"}

    assert await verify_route(probe, BLUE, 7) == "5 answers from blue, release 7"
    assert len(blue.asked) == 5


@pytest.mark.parametrize(("color", "release"), [(GREEN, 7), (BLUE, 8)])
async def test_a_route_to_another_is_an_error_that_names_it(
    blue: ScriptedWorker, probe: Probe, color: Color, release: int
) -> None:
    """The wrong colour, or the right one with an older release."""
    blue.answers["/healthz"] = (200, {})
    blue.headers = {"X-Modelsvc-Color": "blue", "X-Modelsvc-Release": "7"}
    with pytest.raises(WorkerError, match=rf"still answers from blue \(release 7\).*where {color}"):
        await verify_route(probe, color, release, timeout_s=0.05)


async def test_a_connection_that_breaks_while_a_route_is_verified_proves_nothing(
    blue: ScriptedWorker, probe: Probe
) -> None:
    """It counts as a wrong answer: five right ones in a row must come after it."""
    right: tuple[int, dict[str, str]] = (200, {})
    blue.answers["/healthz"] = [right, right, BREAKS, right]
    blue.headers = {"X-Modelsvc-Color": "blue", "X-Modelsvc-Release": "7"}

    assert await verify_route(probe, BLUE, 7) == "5 answers from blue, release 7"
    assert len(blue.asked) == 8


async def test_an_edge_that_does_not_answer_fails_the_verification(blue: ScriptedWorker) -> None:
    """It is named by its address."""
    with reserved_ports(1) as (nobody,):
        probe = Probe({BLUE: blue.port}, f"http://127.0.0.1:{nobody}")
        with pytest.raises(WorkerError, match=f"the edge at http://127.0.0.1:{nobody} does not answer"):
            await verify_route(probe, BLUE, 7, timeout_s=1)
        await probe.close()


async def test_a_bake_takes_its_time(blue: ScriptedWorker, probe: Probe, monkeypatch: pytest.MonkeyPatch) -> None:
    """And no look is skipped; without time there is none."""
    monkeypatch.setattr(bake, "INTERVAL_S", 0.02)
    blue.answers["/ready"] = (200, {})
    started = time.monotonic()
    told = await stays_ready(probe, BLUE, 0.1)

    assert time.monotonic() - started >= 0.1
    assert told.startswith("ready in ")
    assert len(blue.asked) > 2
    await stays_ready(probe, BLUE, 0)


async def test_one_late_answer_is_no_breach(
    blue: ScriptedWorker, probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bad looks count only in a row."""
    monkeypatch.setattr(bake, "INTERVAL_S", 0.005)
    ready: tuple[int, object] = (200, {})
    script = [NOT_READY, NOT_READY, ready, NOT_READY, NOT_READY, ready]
    blue.answers["/ready"] = list(script)
    told = await stays_ready(probe, BLUE, 0.2)

    looks = len(blue.asked)
    bad = script[:looks].count(NOT_READY)
    assert told == f"ready in {looks - bad} of {looks} looks"


async def test_a_worker_that_stays_bad_fails_the_bake(
    blue: ScriptedWorker, probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At once, not at the end of the bake."""
    monkeypatch.setattr(bake, "INTERVAL_S", 0.005)
    blue.answers["/ready"] = [(200, {}), NOT_READY]
    async with asyncio.timeout(10):
        with pytest.raises(WorkerError, match="loading 42 %"):
            await stays_ready(probe, BLUE, 60)
