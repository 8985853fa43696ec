"""The command line against a running service: what it shows, what it does, and its exit codes."""

import json
import signal
import stat
from collections.abc import Iterator
from functools import partial

import pytest
from disposable.processes import processes_of
from disposable.waiting import until
from tests.support.service_fakes import behave, fake_service
from tests.support.service_fixture import Service, passed

from supervisor.protocol import Color, Finished, StreamEvent


@pytest.fixture(scope="module")
def fakes() -> Iterator[Service]:
    with fake_service() as service:
        yield service


@pytest.fixture
def service(fakes: Service) -> Iterator[Service]:
    """Before each test blue serves and green is absent."""
    behave(fakes)
    if fakes.settled().active == "green":
        fakes.does("start", Color.BLUE)
        fakes.does("swap")
    fakes.does("stop", Color.GREEN)
    yield fakes
    behave(fakes)


def test_nothing_to_roll_back_to(service: Service) -> None:
    """On a new service: refused, with the reason."""
    ran = service.ctl("rollback")
    assert ran.code == 4 and "there is no earlier release to roll back to" in ran.err


def test_status_as_json(service: Service) -> None:
    """All that the design promises, and true."""
    ran = service.ctl("status", "--json")
    told = json.loads(ran.out)
    blue, green = told["workers"]["blue"], told["workers"]["green"]

    assert (ran.code, told["active"], told["deployment"]) == (0, "blue", None)
    assert (blue["state"], blue["port"], blue["release"], blue["in_flight"]) == (
        "ready",
        service.tables["workers"]["blue_port"],
        told["release"]["number"],
        0,
    )
    assert blue["pid"] in service.worker_pids()
    assert blue["rss_bytes"] > blue["private_bytes"] > 1_000_000
    assert (green["state"], green["pid"], green["rss_bytes"]) == ("absent", None, None)
    assert (told["edge"]["state"], told["edge"]["routes_to"]) == ("running", "blue")
    memory = told["memory"]
    assert memory["budget_bytes"] == 8_000_000_000
    assert memory["used_bytes"] >= memory["shared_bytes"] == told["release"]["model_size_bytes"]
    assert len(told["release"]["model_sha256"]) == 64


def test_status_and_health_for_people(service: Service) -> None:
    """Exit code 0 and the essential words."""
    status, health = service.ctl("status"), service.run("health")
    assert status.code == 0 and "blue" in status.out and "routes to blue" in status.out
    assert health.code == 0 and "blue" in health.out


def test_only_the_owner_may_ask(service: Service) -> None:
    """The control socket and its folder are closed to others."""
    assert stat.S_IMODE(service.state.control_socket.stat().st_mode) == 0o600
    assert stat.S_IMODE(service.state.run.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    ("source", "words"), [("supervisor", "DeploymentBegan"), ("blue", "fake Worker"), ("green", ""), ("edge", "")]
)
def test_logs(service: Service, source: str, words: str) -> None:
    """Every source can be read, and holds what it should."""
    ran = service.ctl("logs", source, "-n", "1000", "--json")
    assert ran.code == 0 and ran.last["source"] == source
    assert any(words in line for line in ran.last["lines"]) or not words


def test_swap_wants_a_ready_standby(service: Service) -> None:
    """Refused with the command to type; that done, it swaps there and back."""
    refused = service.ctl("swap")
    assert refused.code == 4 and "modelsvc ctl start green" in refused.err
    assert service.ctl("start", "green").code == 0
    assert service.status().active == "blue"
    assert service.ctl("swap").code == 0
    assert service.settled().active == "green"
    assert service.get("/healthz").headers["x-modelsvc-color"] == "green"
    assert service.ctl("swap").code == 0
    assert service.settled().active == "blue"
    assert [past.kind for past in service.history()[:2]] == ["swap", "swap"]


def test_the_active_worker_is_stopped_by_force_only(service: Service) -> None:
    """Then the edge says so with Retry-After; a start brings it back."""
    refused = service.ctl("stop", "blue")
    assert refused.code == 4 and "--force" in refused.err
    assert service.ctl("stop", "blue", "--force").code == 0
    answer = service.get("/healthz")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "60")
    assert answer.json()["error"]["code"] == "no_worker"
    health = service.run("health")
    assert health.code == 1 and "ask the operator" in health.out
    assert service.ctl("start", "blue").code == 0
    assert service.settled().active == "blue"
    assert service.ctl("start", "blue").code == 0, "to start what is ready is done at once"


def test_one_deployment_at_a_time(service: Service) -> None:
    """A second request is refused by the name of the first."""
    behave(service, green={"never_ready": True})
    with service.watching("deploy") as events:
        passed(events, "await_ready", "running")
        running = service.status().deployment
        assert running
        ran = service.ctl("deploy")
        assert ran.code == 4 and f"deployment {running.deployment} (deploy to green) is at step 5" in ran.err, ran
        client = service.client
        for ask in (partial(client.swap), partial(client.stop, Color.GREEN), partial(client.start, Color.GREEN)):
            assert is_refused(ask())
        for _ in range(20):  # so short an answer must not be lost to a connection that is closed
            assert is_refused(client.rollback())
        behave(service)
        *_, finished = events
    assert finished["outcome"] == "succeeded"


def test_giving_up_waiting_leaves_the_work_going_on(service: Service) -> None:
    """Exit code 5, and where to look."""
    behave(service, green={"never_ready": True})
    ran = service.ctl("deploy", "--timeout", "1.5")
    behave(service)
    assert ran.code == 5 and "modelsvc ctl status" in ran.err, ran
    until(lambda: service.settled().active == "green", "the deployment succeeds")


def test_history(service: Service) -> None:
    """Newest first, each with its outcome; the 13 steps of one can be asked for."""
    assert service.ctl("deploy").code == 0
    told = json.loads(service.ctl("history", "--json").out)["deployments"]
    newest = told[0]
    assert (newest["kind"], newest["outcome"], newest["from_color"], newest["to_color"]) == (
        "deploy",
        "succeeded",
        "blue",
        "green",
    )
    assert newest["finished_at"] > newest["started_at"] and newest["release"] and newest["seconds"] > 0
    assert [past["deployment"] for past in told] == sorted((past["deployment"] for past in told), reverse=True)
    steps = service.client.deployment(newest["deployment"]).steps
    assert [step.number for step in steps] == list(range(1, 14))
    assert service.ctl("history").out.count("succeeded") >= 2


@pytest.mark.parametrize(
    "arguments",
    [
        ("logs", "nowhere"),
        ("stop", "red"),
        ("deploy", "--set", "model.straw=1"),
        ("deploy", "--set", "edge.listen=x"),
        ("deploy", "--set", "model.slots"),
        ("deploy", "--timeout", "0"),
        ("dance",),
    ],
)
def test_misuse(service: Service, arguments: tuple[str, ...]) -> None:
    """Exit code 2, one line on stderr, and nothing is deployed."""
    before = service.history()[0].deployment
    ran = service.ctl(*arguments)
    assert ran.code == 2 and ran.err.startswith("modelsvc: ") and ran.err.count("\n") == 1, ran
    assert service.history()[0].deployment == before


def test_a_second_supervisor_on_the_same_folder(service: Service) -> None:
    """It is refused by the name of the first, which does not notice."""
    before = service.settled()
    second = Service(service.folder, service.tables, console_name="second.log")
    second.launch()
    assert second.exit_code() == 4
    assert f"a supervisor (pid {before.pid}) runs on {service.state.root} already" in second.said()
    assert "MODELSVC_HOME" in second.said() and second.said().count("\n") == 1
    after = service.settled()
    assert (after.pid, after.edge.pid) == (before.pid, before.edge.pid)
    assert after.workers[Color.BLUE].pid == before.workers[Color.BLUE].pid
    assert service.chat("Hello!").is_success


def test_after_a_stop_the_same_release_serves_again(service: Service) -> None:
    """TERM ends all with code 0; commands then say how to start it; `up` brings the last release back."""
    assert service.ctl("deploy").code == 0
    before = service.settled()
    assert service.process
    service.process.send_signal(signal.SIGTERM)
    assert service.exit_code() == 0
    assert processes_of(service.folder) == []

    ran = service.ctl("status", "--json")
    assert ran.code == 3 and "modelsvc up" in ran.err and ran.last["error"]["code"] == "unreachable"

    after = service.up()
    assert after.release and before.release and after.release.number == before.release.number
    assert after.active == before.active


def test_without_keep_previous_the_old_worker_is_stopped(service: Service) -> None:
    """After the bake; a rollback is then a full deployment."""
    service.tables["deploy"]["keep_previous"] = False
    assert service.shut_down() == 0
    service.up()
    ran = service.ctl("deploy", "--json")
    assert ran.code == 0
    status = service.settled()
    assert status.active and status.workers[status.active.other].state == "absent"
    rolled = service.ctl("rollback", "--json")
    assert rolled.code == 0
    assert {step["name"]: step["state"] for step in rolled.last["steps"]}["start_standby"] == "done"
    del service.tables["deploy"]["keep_previous"]


def is_refused(events: Iterator[StreamEvent]) -> bool:
    *_, finished = events
    return isinstance(finished, Finished) and finished.outcome == "refused"
