"""Deployments on the demo model, under traffic: nothing fails, nothing is cut, nothing is forgotten."""

import json
import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.support import service_models as models
from tests.support.service_fixture import Ran, Service, other, passed, running_service, streaming, suspended
from tests.support.service_traffic import steady_traffic

from supervisor.protocol import DeployRequest

NAME = "What is my name?"


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with running_service() as service:
        yield service


def test_deploy_and_roll_back_under_traffic(service: Service) -> None:
    """8 clients with plain requests and streams notice neither a deployment nor rollbacks, warm or cold."""
    blue = service.settled().active
    green = other(blue)
    assert served_by(service.chat("My name is Ada.", "ada")) == blue

    with steady_traffic(service.url) as traffic:
        assert outcome(service.ctl("deploy", "--json")) == ("deploy", green, "succeeded")
        traffic.goes_on()
        assert remembers_ada(service) == green

        warm = service.ctl("rollback", "--json")
        assert outcome(warm) == ("rollback", blue, "succeeded")
        assert states(warm)["start_standby"] == "skipped"
        traffic.goes_on()
        assert remembers_ada(service) == blue

        assert service.ctl("stop", green).code == 0
        cold = service.ctl("rollback", "--json")
        assert outcome(cold) == ("rollback", green, "succeeded")
        assert states(cold)["start_standby"] == "done"
        traffic.goes_on()
        assert remembers_ada(service) == green

    by_color = traffic.report().by_color
    assert by_color["blue"] and by_color["green"]


def test_streams_outlive_the_switch(service: Service, tmp_path: Path) -> None:
    """Streams that run when the edge is switched go on to their end; the old colour is drained until then."""
    models.talker(tmp_path / "talker.gguf")
    assert service.ctl("deploy", "--model", tmp_path / "talker.gguf").code == 0
    talking = service.settled().active
    assert talking

    with ThreadPoolExecutor(2) as pool, service.watching("deploy", "--set", "model.path=''") as events:
        passed(events, "check_active", "done")
        began = threading.Barrier(3)
        streams = [pool.submit(talk, service, began) for _ in range(2)]
        began.wait(30)
        with suspended(service, talking):
            passed(events, "drain", "running")
        waits_for = next(events)["text"]
        assert re.fullmatch(rf"2 request\(s\) in flight on {talking}, done in \d+ s at the latest", waits_for)
        assert all(stream.result(90)["color"] == talking for stream in streams)
        *_, finished = events

    assert (finished["outcome"], finished["active"]) == ("succeeded", other(talking))
    assert service.ctl("stop", talking).code == 0


def test_settings_take_effect_in_the_new_release(service: Service) -> None:
    """`--set` makes a release with that setting, and the worker runs with it."""
    before = service.settled()
    ran = service.ctl("deploy", "--json", "--set", "model.context_tokens=2048", "--set", "model.slots=2")
    after = service.settled()

    assert ran.code == 0
    assert before.release and after.release
    assert after.release.number == ran.last["release"] > before.release.number
    assert after.release.settings["context_tokens"] == 2048
    deep = service.get("/health/deep").json()
    assert (deep["release"], deep["model"]["context_tokens"]) == (after.release.number, 2048), deep


def test_wrong_settings_are_all_named_and_change_nothing(service: Service) -> None:
    """Exit code 2, with every wrong value and what is allowed."""
    before = service.settled()
    ran = service.ctl("deploy", "--set", "model.context_tokens=few", "--set", "model.slots=0", "--json")

    assert ran.code == 2
    assert "model.context_tokens" in ran.err and "model.slots" in ran.err and "greater than or equal to 1" in ran.err
    assert unchanged(before) == unchanged(service.settled())


@pytest.mark.parametrize(
    ("maker", "code", "words"),
    [
        (models.truncated, 4, ["ends at byte", "header promises", "download it again"]),
        (models.unknown_architecture, 4, ["unknown model architecture", "choose another model"]),
        (models.not_gguf, 2, ["no GGUF file"]),
        (Path.mkdir, 2, ["is a folder"]),
        (lambda path: None, 2, ["there is no model file"]),
    ],
    ids=["truncated", "unknown architecture", "not GGUF", "folder", "missing"],
)
def test_a_broken_model_is_refused(
    service: Service, tmp_path: Path, maker: models.Maker, code: int, words: list[str]
) -> None:
    """The message names the file and what is wrong with it; route, workers and traffic are not touched."""
    before = service.settled()
    model = tmp_path / "broken.gguf"
    maker(model)

    with steady_traffic(service.url, clients=4) as traffic:
        ran = service.ctl("deploy", "--model", model)
        traffic.goes_on()

    assert (ran.code, "Traceback" in ran.err) == (code, False), ran
    assert str(model) in ran.err and all(word in ran.err for word in words), ran.err
    assert unchanged(service.settled()) == unchanged(before)


def test_a_model_that_does_not_load_is_rolled_back(service: Service, tmp_path: Path) -> None:
    """Its header is sound, so only the standby finds out, while the active worker serves on."""
    before = service.settled()
    models.tensor_missing(tmp_path / "broken.gguf")

    with steady_traffic(service.url, clients=4) as traffic:
        ran = service.ctl("deploy", "--json", "--model", tmp_path / "broken.gguf")
        traffic.goes_on()

    assert (ran.code, ran.last["outcome"], ran.last["active"]) == (1, "rolled_back", before.active), ran
    assert "tensor 'blk.0.attn_q.weight' not found" in ran.last["reason"]
    assert states(ran)["await_ready"] == "failed" and states(ran)["start_standby"] == "undone"
    after = service.settled()
    assert after.active and after.active == before.active and after.workers[other(after.active)].state == "absent"
    assert (after.release, after.workers[after.active].pid) == (before.release, before.workers[before.active].pid)


@pytest.mark.parametrize(
    "maker", [models.not_gguf, Path.mkdir, lambda path: None], ids=["not GGUF", "folder", "missing"]
)
def test_the_daemon_refuses_what_the_command_line_would_not_send(
    service: Service, tmp_path: Path, maker: models.Maker
) -> None:
    """Whoever asks the control API itself gets the same refusal."""
    before = service.settled()
    maker(tmp_path / "broken.gguf")

    *_, finished = service.client.deploy(DeployRequest(model=str(tmp_path / "broken.gguf")))

    assert getattr(finished, "outcome", None) == "refused"
    assert str(tmp_path / "broken.gguf") in getattr(finished, "reason", "")
    assert unchanged(service.settled()) == unchanged(before)


def test_a_model_file_changed_after_its_release_is_not_started(service: Service, tmp_path: Path) -> None:
    """An overwritten file is not what was approved: the active worker goes on, a rollback to that file is refused."""
    models.copied(tmp_path / "copy.gguf")
    assert service.ctl("deploy", "--model", tmp_path / "copy.gguf").code == 0
    changed_color = service.settled().active
    assert changed_color
    assert service.ctl("deploy", "--set", "model.path=''").code == 0
    assert service.ctl("stop", changed_color).code == 0
    before = service.settled()
    models.truncated(tmp_path / "copy.gguf")

    with steady_traffic(service.url, clients=4):
        ran = service.ctl("rollback")

    assert ran.code == 4 and "was changed since its release was made" in ran.err, ran
    assert unchanged(service.settled()) == unchanged(before)


def served_by(response: httpx.Response) -> str:
    """The colour that answered; headers and body agree."""
    told = response.raise_for_status().json()
    assert response.headers["x-modelsvc-color"] == told["color"]
    assert response.headers["x-modelsvc-release"] == str(told["release"])
    return str(told["color"])


def remembers_ada(service: Service) -> str:
    response = service.chat(NAME, "ada")
    assert "Ada" in response.json()["response"], response.text
    return served_by(response)


def outcome(ran: Ran) -> tuple[str, str, str]:
    """The kind, the new active colour and the outcome; the exit code fits."""
    last = ran.last
    assert (ran.code == 0) == (last["outcome"] == "succeeded"), ran
    assert len(last["steps"]) == 13 and last["seconds"] > 0 and last["release"] and last["deployment"]
    return ran.events[0]["kind"], last["active"], last["outcome"]


def states(ran: Ran) -> dict[str, str]:
    return {step["name"]: step["state"] for step in ran.last["steps"]}


def unchanged(status: Any) -> tuple[Any, ...]:
    """What a refused deployment must leave as it was."""
    workers = [(worker.state, worker.pid, worker.release) for worker in status.workers.values()]
    return status.active, status.release, status.edge.pid, status.edge.routes_to, workers


def talk(service: Service, began: threading.Barrier) -> dict[str, Any]:
    """A stream of several hundred tokens; its last event."""
    with streaming(service) as lines:
        began.wait(30)
        name, data = [line for line in lines if line][-2:]
    assert name == "event: done", data
    told: dict[str, Any] = json.loads(data.removeprefix("data: "))
    return told


def test_a_system_prompt_is_deployed_under_traffic_and_rolled_back(service: Service) -> None:
    """Clients say nothing of it; a release is what has it."""

    def prompt_tokens() -> int:
        return int(service.chat("Hello").json()["usage"]["prompt_tokens"])

    before = prompt_tokens()
    assert service.ctl("deploy", "--set", "model.system_prompt=Be brief.", "--set", "model.top_p=0.8").code == 0
    assert prompt_tokens() > before
    told = service.ctl("explain").out
    assert "system_prompt" in told and "Be brief." in told
    assert service.ctl("rollback").code == 0
    assert prompt_tokens() == before
