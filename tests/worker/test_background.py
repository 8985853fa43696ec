"""A worker that is started beside one that serves stands back until clients come."""

import asyncio
import os
import subprocess
import sys
import threading
from pathlib import Path

import httpx
import psutil
import pytest
from disposable.ports import free_port
from disposable.waiting import until
from disposable.worker import arguments, listening, write_release
from tests.worker.harness import Worker, release_record

from modelsvc.engine import decoder
from modelsvc.engine.engine import Engine
from modelsvc.engine.priority import NICENESS, niceness, run_standing_back, stand_back
from modelsvc.engine.types import (
    ChatPrompt,
    EngineOptions,
    Finished,
    GenerationRequest,
    Message,
    Sampling,
    Timings,
    Token,
    Usage,
)
from modelsvc.worker.latency import KEPT, Latency

linux = pytest.mark.skipif(sys.platform != "linux", reason="niceness of a thread is Linux's")
WARM_UP = {"X-Modelsvc-Warm-Up": "1"}


@linux
def test_standing_back_is_the_threads_own_and_its_childrens() -> None:
    """Whoever asked for it stays as it was."""
    before, seen = niceness(), []

    def work() -> None:
        child = threading.Thread(target=lambda: seen.append(niceness()))
        child.start()
        child.join()
        seen.append(niceness())
        stand_back()

    run_standing_back(work)
    assert (seen, niceness()) == ([max(before, NICENESS)] * 2, before)


def test_what_is_raised_standing_back_is_raised() -> None:
    """An import that fails, say."""
    with pytest.raises(ZeroDivisionError):
        run_standing_back(lambda: 1 / 0)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoder, "YIELD_S", 0.05)


async def test_told_that_it_has_the_processors_it_hands_over_now(model: Path) -> None:
    """Whether or not a client came before, and only once."""
    options = EngineOptions(1024, 2, 2, 0, "f16", 8, background=True)
    engine = await asyncio.to_thread(Engine.load, str(model), options, lambda _: True)
    try:
        stood_back = engine._decoder._thread
        engine.come_forward()
        assert engine._decoder._thread is stood_back
        engine.come_forward(now=True)
        normal = engine._decoder._thread
        assert normal is not stood_back
        engine.come_forward(now=True)
        assert engine._decoder._thread is normal
        assert await answer(engine)
        assert not stood_back.is_alive()
    finally:
        await engine.close()


async def test_an_answer_that_runs_survives_the_hand_over(model: Path, quick: None) -> None:
    """It goes on in another thread, token by token as it would have."""
    options = EngineOptions(1024, 2, 2, 0, "f16", 8, background=True)
    engine = await asyncio.to_thread(Engine.load, str(model), options, lambda _: True)
    try:
        alone = await answer(engine)
        stood_back = engine._decoder._thread
        running = [await engine.submit(request()) for _ in range(4)]
        engine.come_forward()
        engine.come_forward()
        texts = ["".join([event.text async for event in each if isinstance(event, Token)]) for each in running]
        assert texts == [alone] * 4
        while engine._decoder._thread is stood_back or stood_back.is_alive():
            await asyncio.sleep(0.01)
        assert engine.snapshot().alive
        assert await answer(engine) == alone
    finally:
        await engine.close()
    assert not engine.snapshot().alive


def request() -> GenerationRequest:
    return GenerationRequest(ChatPrompt((Message("user", "What is a rollback?"),)), 48, Sampling(temperature=0.0))


async def answer(engine: Engine) -> str:
    return "".join([event.text async for event in await engine.submit(request()) if isinstance(event, Token)])


@linux
def test_a_worker_in_the_background_answers_and_its_own_threads_are_nice(folder: Path, model: Path) -> None:
    """Only the threads that load and decode stand back; those that serve do not."""
    release, port = write_release(folder, release_record(model)), free_port()
    log = (folder / "log").open("wb")
    with listening(folder / "n.sock") as channel, log:
        environment = os.environ | {"NOTIFY_SOCKET": str(channel.getsockname())}
        process = subprocess.Popen([*arguments(release, port, folder), "--background"], stderr=log, env=environment)
        worker = Worker(process, port, folder / "log", channel)
        try:
            worker.wait_ready()
            assert worker.chat("Hello!", max_tokens=2).status_code == 200
            assert nices(process.pid) == {niceness(), max(niceness(), NICENESS)}
            assert nice_of(process.pid, process.pid) == niceness()
            assert httpx.post(f"{worker.url}/foreground").status_code == 200
            assert worker.chat("Hello!", max_tokens=2).status_code == 200
            until(lambda: nices(process.pid) == {niceness()}, "no thread stands back any more")
        finally:
            process.terminate()
            assert process.wait(20) == 0


def nices(pid: int) -> set[int]:
    return {nice_of(pid, thread.id) for thread in psutil.Process(pid).threads()}


def nice_of(pid: int, thread: int) -> int:
    stat = Path(f"/proc/{pid}/task/{thread}/stat").read_text()
    return int(stat.rpartition(")")[2].split()[16])


def finished(first_s: float, decode_s: float, tokens: int, reason: str = "stop") -> Finished:
    timings = Timings(0.0, 0.0, first_s, decode_s, 0.0)
    return Finished(reason, Usage(3, tokens), timings)  # type: ignore[arg-type]


def test_latency_of_recent_answers() -> None:
    """The newest ones, by when they came; cancelled ones and those of long ago tell nothing."""
    latency = Latency()
    latency.took(finished(9.0, 9.0, 5), now=100.0)
    latency.took(finished(0.5, 2.0, 5), now=1000.0)
    latency.took(finished(0.1, 0.0, 1), now=1001.0)
    latency.took(finished(0.1, 0.0, 0), now=1001.0)
    latency.took(finished(0.1, 7.0, 3, "cancelled"), now=1001.0)
    told = latency.report(now=1002.0)
    assert told["recent"] == [[4.5, 0.5, 0.5], [1.1, 0.1, None]]
    assert (told["requests"], told["inter_token_seconds"]) == (2, {"p50": 0.5, "p95": 0.5})
    assert Latency().report(now=0.0)["first_token_seconds"] == {"p50": None, "p95": None}
    for _ in range(2 * KEPT):
        latency.took(finished(0.1, 0.0, 1), now=1001.0)
    assert latency.report(now=1002.0)["requests"] == KEPT
