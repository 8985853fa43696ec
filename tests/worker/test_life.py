"""A worker's start and end: announcements, exit codes, and what runs when it is told to stop."""

import json
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from disposable.ports import free_port
from disposable.waiting import until
from disposable.worker import arguments, write_release
from tests.worker.harness import BABBLE, DEADLINE_S, Worker, error_of, release_record, running, sse


def test_progress_readiness_and_the_end_are_announced(worker: Worker) -> None:
    worker.process.send_signal(signal.SIGTERM)
    assert worker.wait_exit() == 0
    assert worker.announced("READY") == ["1"]
    assert worker.announced("STOPPING") == ["1"]
    loading = [status for status in worker.announced("STATUS") if status.startswith("loading")]
    assert loading
    assert loading == sorted(set(loading), key=lambda status: int(status.split()[1]))
    assert worker.announced("STATUS")[len(loading) :] == ["ready", "stopping"]
    assert {fields["X_MODELSVC_WORKER"] for fields in worker.received} == {"w-1"}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_running_stream_is_finished_before_the_end(babbler: Worker, number: signal.Signals) -> None:
    """However often it is told; idle connections do not keep it."""
    idle = [socket.create_connection(("127.0.0.1", babbler.port)) for _ in range(3)]
    kept = httpx.Client()
    kept.get(babbler.url + "/healthz")
    body = BABBLE | {"stream": True, "max_tokens": 800}
    with httpx.stream("POST", babbler.url + "/chat", json=body, timeout=DEADLINE_S) as response:
        events = sse(response)
        next(events)
        babbler.process.send_signal(number)
        until(lambda: babbler.announced("STOPPING"), "stopping announced")
        babbler.process.send_signal(number)
        *_, (last, done) = events
    assert last == "done"
    assert done["usage"]["completion_tokens"] == 800
    assert babbler.wait_exit() == 0
    kept.close()
    for client in idle:
        client.close()


def test_a_plain_request_is_finished_before_the_end(babbler: Worker) -> None:
    answers: list[httpx.Response] = []
    body = BABBLE | {"max_tokens": 800}
    asking = threading.Thread(target=lambda: answers.append(httpx.post(babbler.url + "/chat", json=body, timeout=60)))
    asking.start()
    until(lambda: babbler.deep()["engine"]["in_flight"], "the request runs")
    babbler.process.send_signal(signal.SIGTERM)
    asking.join()
    assert answers[0].json()["usage"]["completion_tokens"] == 800
    assert babbler.wait_exit() == 0


def test_nobody_new_is_let_in_while_stopping(babbler: Worker) -> None:
    """The listening socket closes at once, so that a successor can take the port."""
    body = BABBLE | {"stream": True}
    with httpx.stream("POST", babbler.url + "/chat", json=body, timeout=DEADLINE_S) as response:
        next(sse(response))
        babbler.process.send_signal(signal.SIGTERM)
        until(lambda: not connects(babbler.port), "connections are refused")


def connects(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def run(release: Path, folder: Path, port: int | None = None) -> "subprocess.CompletedProcess[str]":
    command = arguments(release, port or free_port(), folder)
    return subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S)


def last_line(done: "subprocess.CompletedProcess[str]") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(done.stderr.splitlines()[-1])
    return found


def test_a_taken_port_is_named(folder: Path, model: Path) -> None:
    """Also when the other one is a worker: two must not share a port."""
    release = write_release(folder, release_record(model))
    with running(folder, release) as first:
        first.wait_ready()
        done = run(release, folder, first.port)
        assert first.process.poll() is None
    assert done.returncode == 2
    assert last_line(done)["event"] == "port_taken"
    assert f"port {first.port}" in last_line(done)["reason"]


def test_a_changed_model_file_is_refused(folder: Path, model: Path) -> None:
    record = release_record(model)
    record["model"]["mtime_ns"] += 1
    done = run(write_release(folder, record), folder)
    assert done.returncode == 2
    assert "changed since the release was recorded" in last_line(done)["reason"]


def test_a_bad_release_is_refused(folder: Path, model: Path) -> None:
    done = run(write_release(folder, release_record(model) | {"colour": "red"}), folder)
    assert done.returncode == 2
    assert "unknown field `colour`" in last_line(done)["reason"]


def test_a_bad_chat_database_is_refused(folder: Path, model: Path) -> None:
    (folder / "chat.db").write_text("no database " * 100)
    done = run(write_release(folder, release_record(model)), folder)
    assert done.returncode == 2
    assert last_line(done)["event"] == "bad_history"


def test_wrong_arguments_are_misuse(folder: Path, model: Path) -> None:
    done = run(write_release(folder, release_record(model)), folder, port=70_000)
    assert done.returncode == 2
    assert "70000 is not in the range" in done.stderr


def test_a_model_that_cannot_be_loaded_says_why(folder: Path, model: Path) -> None:
    """In the last log line and to whoever started it."""
    broken = folder / "broken.gguf"
    broken.write_bytes(model.read_bytes()[:-1000])
    with running(folder, write_release(folder, release_record(broken))) as worker:
        assert worker.wait_exit() == 1
        last = worker.log()[-1]
        assert last["event"] == "load_failed"
        assert "not within the file bounds" in last["reason"]
        assert worker.announced("STATUS")[-1] == f"failed: {last['reason']}"
        assert not worker.announced("READY")


def test_a_conversation_crosses_from_blue_to_green(folder: Path, model: Path) -> None:
    """Both have the same database open."""
    release = write_release(folder, release_record(model))
    with running(folder, release) as blue, running(folder, release, color="green") as green:
        blue.wait_ready().chat("My name is Ada.", user="ada")
        answer = green.wait_ready().chat("What is my name?", user="ada").json()
        assert (answer["response"], answer["color"]) == ("Your name is Ada.", "green")


@pytest.fixture
def loading(folder: Path) -> Iterator[tuple[Worker, Path]]:
    """A worker held in its loading: the model is a pipe that nobody writes to yet."""
    pipe = folder / "model.gguf"
    os.mkfifo(pipe)
    with running(folder, write_release(folder, release_record(pipe))) as worker:
        until(lambda: answers(worker), "the worker answers")
        yield worker, pipe
        worker.process.kill()


def test_it_listens_before_the_model_is_there(loading: tuple[Worker, Path]) -> None:
    """Alive, not ready, and telling when to ask again."""
    worker, pipe = loading
    assert worker.get("/healthz").status_code == 200
    assert worker.deep()["state"] == "loading"
    for response in (
        *map(worker.get, ("/ready", "/health", "/v1/health")),
        worker.chat("Hello"),
        worker.chat("Hello", user="ada", stream=True),
    ):
        assert response.status_code == 503
        assert response.headers["retry-after"] == "1"
        assert response.headers["x-modelsvc-color"] == "blue"
        assert error_of(response)["code"] == "loading"
    end(pipe)
    assert worker.wait_exit() == 1
    assert worker.log()[-1]["event"] == "load_failed"


def answers(worker: Worker) -> bool:
    try:
        return worker.get("/healthz").is_success
    except httpx.TransportError:
        return False


def end(pipe: Path) -> None:
    """Let the reader find that the file is empty; nobody reading is an error instead of a wait."""
    os.close(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))


def test_being_told_to_stop_while_loading_is_no_failure(loading: tuple[Worker, Path]) -> None:
    worker, pipe = loading
    worker.process.send_signal(signal.SIGTERM)
    until(lambda: worker.deep()["state"] == "stopping", "the signal is taken")
    assert error_of(worker.get("/ready"))["code"] == "stopping"
    end(pipe)
    assert worker.wait_exit() == 0
    assert not worker.announced("READY")
