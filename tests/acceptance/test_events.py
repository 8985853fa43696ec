"""What a real service tells those who follow it, and what becomes of commands that are run at its events."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from disposable.processes import is_alive
from disposable.service import DEADLINE_S
from disposable.waiting import until
from loadtest.traffic import Traffic
from tests.support.service_fakes import behave, fake_service
from tests.support.service_fixture import Service, other, passed, running_service
from tests.support.service_traffic import SteadyTraffic, steady_traffic

INTERRUPTED = 130
HOOKS = {
    "notes": 'cat >>notes; echo "$MODELSVC_EVENT_ID" >>ids',
    "hangs": "trap '' TERM; echo $$ >>pids; sleep 100 & echo $! >>pids; wait; sleep 100",
    "fails": "echo 'no route to host' >&2; exit 3",
    "floods": "exec yes",
}
TOLD = ["deployment_began", "step_changed", "deployment_ended", "worker_crashed"]


@contextmanager
def following(service: Service, *arguments: str) -> Iterator[Iterator[dict[str, Any]]]:
    """`ctl events` in the background, from the first event that is kept; it ends by Ctrl-C, and as it should."""
    command = [sys.executable, "-m", "modelsvc", "ctl", "events", "--after", "0", "--json", *arguments]
    streams: Any = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
    with subprocess.Popen(command, cwd=service.folder, env=service.env, **streams) as process:
        assert process.stdout is not None
        try:
            yield map(json.loads, process.stdout)
            process.send_signal(signal.SIGINT)
            assert process.wait(DEADLINE_S) == INTERRUPTED
        finally:
            process.kill()


def followed(events: Iterator[dict[str, Any]], last: str) -> list[dict[str, Any]]:
    """Read on until an event of that name has come."""
    seen: list[dict[str, Any]] = []
    while not seen or seen[-1]["event"] != last:
        seen.append(next(events))
    return seen


def hooks(folder: Path) -> list[dict[str, Any]]:
    """One that notes what it is told, and three that do what a hook should not; one is not there any more."""
    here: dict[str, Any] = {}
    for name, script in HOOKS.items():
        here[name] = {"on": TOLD, "command": ["/bin/sh", "-c", script], "timeout_s": 20.0}
    here["hangs"]["timeout_s"] = 0.5
    gone = folder / "gone"
    gone.write_text("#!/bin/sh\n")
    gone.chmod(0o755)
    return [*here.values(), {"on": ["deployment_ended"], "command": ["./gone"]}]


@pytest.fixture(scope="module")
def fakes() -> Iterator[Service]:
    with fake_service(bake_s=20.0) as service:
        yield service


# --- ctl events -------------------------------------------------------------------------------------------------------


def test_a_deployment_is_followed_from_its_beginning_to_its_end() -> None:
    """All 13 steps in order, with what the slots do meanwhile; then a crash, and the standby that takes over."""
    with running_service() as service, following(service) as told:
        old = service.status().active
        followed(told, "deployment_ended")  # of the boot
        service.does("pause")
        assert [event["event"] for event in followed(told, "operation_ended")] == ["paused", "operation_ended"]
        service.does("resume")
        assert [event["event"] for event in followed(told, "operation_ended")] == ["resumed", "operation_ended"]
        assert service.ctl("deploy").code == 0
        seen = followed(told, "deployment_ended")
        assert seen[0]["event"] == "deployment_began"
        steps = [(event["number"], event["state"]) for event in seen if event["event"] == "step_changed"]
        assert steps == [(number, state) for number in range(1, 14) for state in ("running", "done")]
        assert all(event["seconds"] is not None for event in seen if event.get("state") == "done")
        slots = [(e["color"], e["previous"], e["state"]) for e in seen if e["event"] == "worker_changed"]
        new = other(old)
        assert slots == [(new, "absent", "starting"), (new, "starting", "ready")]
        routes = [(event["active"], event["release"]) for event in seen if event["event"] == "route_changed"]
        assert (routes, seen[-1]["outcome"], seen[-1]["active"]) == ([(new, 2)], "succeeded", new)
        assert [event["id"] for event in seen] == list(range(seen[0]["id"], seen[-1]["id"] + 1))

        worker = service.status().workers[new]
        psutil.Process(worker.pid).kill()
        crashed = followed(told, "worker_crashed")[-1]
        assert (crashed["color"], crashed["worker_id"], crashed["signal"]) == (new, worker.worker_id, "SIGKILL")
        seen = followed(told, "deployment_ended")
        assert ("worker_changed", "backoff") in [(event["event"], event.get("state")) for event in seen]
        assert (seen[-1]["kind"], seen[-1]["outcome"], seen[-1]["active"]) == ("failover", "succeeded", old)
        service.shut_down()
        assert followed(told, "operation_ended")[-1]["outcome"] == "succeeded"


def test_a_breach_of_the_bake_is_told(fakes: Service) -> None:
    """With its kind and the reason that the deployment is rolled back for."""
    old = fakes.settled().active
    worse = SteadyTraffic(Traffic(fakes.url, 8, think_s=0.05))
    worse.start()
    with following(fakes) as told:
        with fakes.watching("deploy") as deploying:
            passed(deploying, "bake", "running")
            behave(fakes, **{other(old): {"refuses_chat": True}})
        breach = followed(told, "bake_breached")[-1]
        ended = followed(told, "deployment_ended")[-1]
    worse.stop()
    behave(fakes)
    assert (breach["color"], breach["kind"], breach["deployment"]) == (other(old), "errors", ended["deployment"])
    assert breach["reason"] == ended["reason"] and "requests failed since the switch" in breach["reason"]


def test_a_follower_outlives_the_supervisor(fakes: Service) -> None:
    """It says that some may be missing, and hears what became of the deployment that was cut short."""
    with following(fakes) as told:
        with fakes.watching("deploy") as deploying:
            passed(deploying, "bake", "running")
            fakes.kill_supervisor()
        fakes.launch()
        seen = followed(told, "events_missed")
        assert seen[-1]["count"] is None
        began = followed(told, "deployment_began")[-1]
        assert (began["resumed"], began["to_color"]) == (True, str(fakes.sees(bool, "it answers").active))
        behave(fakes, **{began["to_color"]: {"not_ready_any_more": True}})  # or the bake would take its time
        assert followed(told, "deployment_ended")[-1]["outcome"] == "rolled_back"
        behave(fakes)


# --- hooks ------------------------------------------------------------------------------------------------------------


def test_hooks_that_misbehave_disturb_nothing() -> None:
    """One that hangs, one that fails, one that floods, one that is gone: all are told, and deployments take no longer.

    The one beside them gets all that it is to get, in order.
    """
    with fake_service() as service:
        with steady_traffic(service.url, clients=4):
            usual_s = _deployed_s(service)
        service.shut_down()
        service.tables |= {"hook": hooks(service.folder)}  # type: ignore[dict-item]  # a list of tables
        service.up()
        (service.folder / "gone").unlink()
        with following(service, "--event", "hook_failed") as told, steady_traffic(service.url, clients=4) as traffic:
            began, took_s = len(service.history()), _deployed_s(service)
            traffic.goes_on()
            failed: dict[int, dict[str, Any]] = {}
            while set(failed) != {2, 3, 4, 5}:
                failure = next(told)
                if failure["event"] == "hook_failed":
                    failed[failure["hook"]] = failure
        assert took_s < usual_s + 5, (took_s, usual_s)  # waiting for the hanging one alone would cost 30 s
        reasons = {hook: failure["reason"] for hook, failure in failed.items()}
        assert reasons[3] == "it exited with code 3: no route to host"
        assert "not done within 0.5 s" in reasons[2] and "it wrote more than" in reasons[4]
        assert "gone cannot be started" in reasons[5]
        _notes_are_whole(service, began + 1)
        pids = [int(pid) for pid in (service.state.root / "pids").read_text().split()]
        metrics = httpx.get(f"http://{service.tables['control']['metrics_listen']}/metrics", trust_env=False).text
        assert 'modelsvc_hook_runs_total{event="deployment_ended",outcome="not_started"}' in metrics
        began_s = time.monotonic()
        service.shut_down()
        assert time.monotonic() - began_s < 15
        assert not any(map(is_alive, pids))


def _deployed_s(service: Service) -> float:
    ran = service.ctl("deploy", "--json")
    assert ran.code == 0, ran
    return float(ran.last["seconds"])


def _notes_are_whole(service: Service, deployment: int) -> None:
    """What the first hook was told of the deployment is what was to be told of it, in order."""

    def noted() -> list[dict[str, Any]]:
        lines = (service.state.root / "notes").read_text().splitlines()
        return [event for event in map(json.loads, lines) if event["deployment"] == deployment]

    until(lambda: noted() and noted()[-1]["event"] == "deployment_ended", "it noted the end")
    numbers = [event["number"] for event in noted() if event["event"] == "step_changed"]
    assert numbers == [number for number in range(1, 14) for _ in range(2)]
    ids = (service.state.root / "ids").read_text().split()
    assert ids == sorted(ids, key=int)
