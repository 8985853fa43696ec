"""The supervisor restarted by a service manager that holds the listening socket, under load: no request is lost.

The clients keep their connections, never retry, and use a connection again whenever the answer before allowed that.
"""

import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psutil
import pytest
import tomli_w
from disposable.processes import nginx_workers, processes_of
from disposable.service import SUPERVISOR
from disposable.waiting import until
from loadtest.traffic import Report, Traffic
from tests.acceptance.conftest import TABLES, Table
from tests.support.service_fakes import RUNNER, behave
from tests.support.service_fixture import Service, passed, running_service, service_folder, streaming
from tests.support.service_manager import ManagedService, environment_of, launchd_library, managed_service
from tests.support.service_traffic import SteadyTraffic, steady_traffic

from modelsvc import keyfile
from supervisor import processes
from supervisor.protocol import Color, DeployRequest, Status

CLIENTS = 10
CYCLES = 2
needs_proc = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
HANDOVER, STOP, KILL = signal.SIGUSR2, signal.SIGTERM, signal.SIGKILL


@pytest.fixture(scope="module")
def figures(request: pytest.FixtureRequest) -> Table:
    headings = ("manager", "ended by", "requests", "streams", "failed", "longest wait")
    table = Table(f"service restarted {CYCLES} times under {CLIENTS} clients", headings)
    request.config.stash[TABLES].append(table)
    return table


@pytest.fixture(scope="module")
def service() -> Iterator[ManagedService]:
    """As under systemd."""
    with managed_service() as service:
        service.up()
        yield service


@pytest.fixture(scope="module")
def launched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ManagedService]:
    """As under launchd."""
    library = launchd_library(tmp_path_factory.mktemp("launchd"))
    with managed_service(library=library) as service:
        service.up()
        yield service


@pytest.mark.parametrize(
    ("manager", "number"),
    [("systemd", HANDOVER), ("systemd", STOP), ("systemd", KILL), ("launchd", HANDOVER), ("launchd", STOP)],
)
def test_a_restart_loses_nothing(
    request: pytest.FixtureRequest, figures: Table, manager: str, number: signal.Signals
) -> None:
    """Whichever way the supervisor ends: with a hand-over and after a kill nginx and workers serve on, after a full
    stop requests wait in the manager's socket."""
    service: ManagedService = request.getfixturevalue("service" if manager == "systemd" else "launched")
    before = service.settled()
    with steady_traffic(service.url, CLIENTS) as traffic:
        for _ in range(CYCLES):
            service.restart(number)
            traffic.goes_on()
    report, after = traffic.report(), service.settled()
    figures.rows.append(row(manager, number, report))

    assert report.failed == 0
    assert set(report.by_color) == {before.active}
    assert (identities(after) == identities(before)) == (number is not STOP)


def test_a_full_stop_without_a_managers_socket_loses_requests() -> None:
    """The same load notices it: the test above can fail."""
    with running_service() as service:
        traffic = SteadyTraffic(Traffic(service.url, CLIENTS, 0.5, think_s=0.05))
        traffic.start()
        assert service.process is not None
        service.process.send_signal(STOP)
        assert service.exit_code() == 0
        service.up()
        traffic.goes_on()
        assert traffic.stop().refused > 0


def reconfigured(service: ManagedService, **tables: dict[str, object]) -> None:
    """What the next supervisor will read."""
    service.tables.update(tables)
    service.config.write_text(tomli_w.dumps(service.tables))


def started_with(service: ManagedService, option: str) -> dict[str, str]:
    """What the worker of each colour was told under that name."""
    workers = {color: worker.pid for color, worker in service.status().workers.items() if worker.pid}
    return {color: processes.option(psutil.Process(pid), option) for color, pid in workers.items()}


def replaced(service: ManagedService, reason: str) -> None:
    """Wait until the last deployment is one for that reason, and the standby is ready again."""
    service.sees(lambda s: all(w.state == "ready" for w in s.workers.values()) and not s.deployment, "both are back")
    last = service.history()[0]
    assert (last.kind, last.outcome, last.from_color is None) == ("replace", "succeeded", False), last
    assert reason in last.because


def test_other_ports_come_in_by_a_deployment_that_loses_nothing() -> None:
    """Both colours serve on as they are until then, and what was warm to go back to is warm again, on its new port."""
    with managed_service() as service, service_folder() as spare:
        service.up()
        service.does("deploy", DeployRequest(settings={"model.slots": 2}))
        before, old = service.settled(), dict(service.tables["workers"])
        with steady_traffic(service.url, CLIENTS) as traffic, streaming(service) as lines:
            reconfigured(service, workers={**service.tables["workers"], **spare.tables["workers"]})
            service.restart(HANDOVER)
            replaced(service, f"workers.{before.active}_port {old[f'{before.active}_port']} -> ")
            assert any("done" in line for line in lines)
            traffic.goes_on()
        after = service.settled()

    assert traffic.report().failed == 0
    assert (after.edge.pid, after.release) == (before.edge.pid, before.release)
    assert {w.release for w in after.workers.values()} == {w.release for w in before.workers.values()}
    ports = {color: worker.port for color, worker in after.workers.items()}
    assert ports == {color: spare.tables["workers"][f"{color}_port"] for color in ports}


def test_other_keys_come_in_by_a_deployment_that_loses_nothing(tmp_path: Path) -> None:
    """None to some: until then the workers let everyone in, as they were started."""
    with managed_service() as service:
        service.up()
        path = tmp_path / "keys"
        keyfile.add(path, "ada")
        serving = service.settled().workers[Color.BLUE].pid
        with streaming(service) as lines:
            reconfigured(service, security={"api_keys_file": str(path)})
            service.end_by(HANDOVER)
            service.start_supervisor(service.config)
            service.sees(lambda s: s.deployment is not None, "the deployment begins")
            assert service.status().workers[Color.BLUE].pid == serving
            assert any("done" in line for line in lines)
        service.sees(lambda s: s.active is Color.GREEN and not s.deployment, "it is done")
        service.sees(lambda s: s.workers[Color.BLUE].state == "absent", "the worker without keys is gone")
        assert service.history()[0].because == f"security.api_keys_file none -> {path}"
        assert started_with(service, "--api-keys") == {"green": str(path)}
        assert service.chat("Hello!").status_code == 401


def test_other_origins_come_in_by_a_deployment_that_loses_nothing() -> None:
    """By a new release with the settings of the one that serves; the edge has them at once, workers when it is done."""
    page = {"Origin": "https://page.example"}
    with managed_service() as service:
        service.up()
        service.does("deploy", DeployRequest(settings={"model.slots": 2}))
        before = service.settled()
        assert httpx.get(f"{service.url}/v1/models", headers=page).status_code == 403
        with steady_traffic(service.url, CLIENTS) as traffic:
            reconfigured(service, security={"allowed_origins": [page["Origin"]]})
            service.restart(HANDOVER)
            replaced(service, "security.allowed_origins none -> https://page.example")
            traffic.goes_on()
        after = service.settled()
        answer = httpx.get(f"{service.url}/v1/models", headers=page)

    assert traffic.report().failed == 0
    assert before.release and after.release
    assert after.release.number == before.release.number + 1
    assert after.release.settings["slots"] == 2
    assert after.workers[before.active or Color.BLUE].release == before.release.number
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, page["Origin"])


def test_a_worker_that_crashes_before_it_is_replaced_comes_back_where_nginx_looks_for_it() -> None:
    """Requests are held and paused meanwhile, so that no deployment begins."""
    with managed_service() as service, service_folder() as spare:
        service.up()
        port = service.tables["workers"]["blue_port"]
        assert service.ctl("pause").code == 0
        reconfigured(service, workers={**service.tables["workers"], **spare.tables["workers"]})
        service.end_by(HANDOVER)
        service.start_supervisor(service.config)
        service.sees(lambda s: s.workers[Color.BLUE].progress == "adopted", "it goes on")
        pid = service.status().workers[Color.BLUE].pid
        assert pid is not None
        psutil.Process(pid).kill()
        service.sees(lambda s: s.workers[Color.BLUE].pid not in (pid, None), "it is started again")
        service.sees(lambda s: s.workers[Color.BLUE].state == "ready", "it is back")
        assert started_with(service, "--port") == {"blue": str(port)}
        assert service.ctl("resume").code == 0
        assert service.chat("Hello!").status_code == 200
        service.sees(lambda s: s.active is Color.GREEN and not s.deployment, "it is replaced")


def test_ports_that_were_exchanged_are_put_off_and_told() -> None:
    """Each new port belongs to the other worker: all goes on as it was, deployments too."""
    with managed_service() as service:
        service.up()
        service.does("deploy", DeployRequest())
        before, old = service.settled(), dict(service.tables["workers"])
        with steady_traffic(service.url, CLIENTS) as traffic:
            exchanged = {"blue_port": old["green_port"], "green_port": old["blue_port"]}
            reconfigured(service, workers={**old, **exchanged})
            service.restart(HANDOVER)
            assert identities(service.settled()) == identities(before)
            assert f"workers.blue_port is {old['green_port']}, which the green worker has" in service.said()
            service.does("deploy", DeployRequest())
            traffic.goes_on()
        assert traffic.report().failed == 0
        assert {c: w.port for c, w in service.status().workers.items()} == {c: old[f"{c}_port"] for c in Color}


def test_a_client_waits_while_everything_is_gone(service: ManagedService) -> None:
    """Supervisor, nginx and workers were killed: whoever connects is answered after the next start."""
    service.kill_all()
    with ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(service.chat, "Hello!") for _ in range(4)]
        until(lambda: queued(service) >= 4, "four clients wait in the manager's socket")
        assert not processes_of(service.folder)
        service.start_supervisor(service.config)
        assert {answer.result().status_code for answer in waiting} == {200}
    service.settled()


def test_a_deployment_is_finished_before_the_supervisor_leaves(service: ManagedService) -> None:
    """Its operator sees the end of it; a second one is refused meanwhile, with the reason."""
    before = service.settled()
    assert service.process is not None
    with service.watching("deploy") as events:
        passed(events, "start_standby", "running")
        service.announced.clear()
        service.process.send_signal(HANDOVER)
        service.hears("STOPPING", "1")
        refused = service.ctl("rollback")
        *_, last = events
    assert (refused.code, last["outcome"]) == (4, "succeeded")
    assert "is being replaced" in refused.err
    assert service.exit_code() == 0
    service.start_supervisor(service.config)
    after = service.settled()
    assert (after.active, after.edge.pid) == (last["active"], before.edge.pid) != (before.active, None)


@needs_proc
def test_a_stop_counts_from_the_first_moment(service: ManagedService) -> None:
    """The supervisor has only begun to import: it takes up the past, and stops nginx and the workers."""
    service.settled()
    service.end_by(KILL)
    service.start_supervisor(service.config)
    assert service.process is not None
    until(lambda: keeps_signals(service.process), "its signals are kept", 10)
    service.process.send_signal(STOP)
    assert service.exit_code() == 0
    assert not processes_of(service.folder)
    service.start_supervisor(service.config)
    service.settled()


def test_asked_twice_the_supervisor_leaves_at_once(service: ManagedService) -> None:
    """In the middle of a deployment, which the next one takes back; its operator is told where to ask."""
    before = service.settled()
    assert service.process is not None
    with service.watching("deploy") as events:
        passed(events, "start_standby", "running")
        service.announced.clear()
        service.process.send_signal(HANDOVER)
        service.hears("STOPPING", "1")
        assert service.end_by(HANDOVER) == 0
        *_, last = events
    assert last["error"]["code"] == "stream_broken"
    service.start_supervisor(service.config)
    after = service.settled()
    recorded = service.history()[0]
    assert (recorded.outcome, recorded.reason) == ("rolled_back", "the supervisor ended during the deployment")
    assert (after.active, after.edge.pid) == (before.active, before.edge.pid)


def test_held_requests_are_answered_before_the_supervisor_leaves() -> None:
    """The worker was killed: the supervisor goes when the next one has answered who waited."""
    with managed_service(program=(sys.executable, str(RUNNER))) as service, ThreadPoolExecutor(1) as pool:
        color = service.up().active
        assert color is not None
        behave(service, **{color: {"ready_after_s": 2.0}})
        psutil.Process(service.status().workers[color].pid).kill()
        service.sees(lambda s: s.workers[color].state != "ready", "it is gone")
        waiting = pool.submit(service.chat, "Hello!")
        service.sees(lambda s: s.edge.waiting == 1, "the request waits")
        assert service.end_by(HANDOVER) == 0
        assert waiting.result().status_code == 200
        service.start_supervisor(service.config)
        service.settled()


def test_followers_come_back_by_themselves(service: ManagedService) -> None:
    """`ctl events` goes on with the next supervisor."""
    service.settled()
    with service.watching("events", "--after", "0", "--event", "deployment_ended", "--count", "2") as events:
        seen = (event["deployment"] for event in events if event["event"] == "deployment_ended")
        service.does("deploy", DeployRequest())
        first = next(seen)  # it follows
        service.restart(HANDOVER)
        service.does("deploy", DeployRequest())
        assert next(seen) == first + 1


@needs_proc
def test_the_manager_is_told_and_children_are_not(service: ManagedService) -> None:
    """Ready, what serves, alive; workers get our own notify socket, and nginx none."""
    status = service.settled()
    service.announced.clear()
    service.hears("WATCHDOG", "1")
    for pid in (*service.worker_pids(), *nginx_workers(service.folder), status.edge.pid):
        assert pid is not None
        environment = environment_of(pid)
        assert not {"LISTEN_PID", "LISTEN_FDS", "WATCHDOG_USEC"} & set(environment)
        assert environment.get("NOTIFY_SOCKET", "") in ("", str(service.state.notify_socket))
    service.restart(STOP)
    assert service.heard("STOPPING") == ["1"] and service.heard("READY") == ["1"]
    assert service.heard("EXTEND_TIMEOUT_USEC")
    assert status.release is not None
    service.announced.clear()
    service.hears("STATUS", f"{status.active} serves release {status.release.number}")


def test_the_program_of_systemd_that_passes_sockets() -> None:
    """systemd-socket-activate waits for the first client, becomes the supervisor, and the client is answered."""
    program = shutil.which("systemd-socket-activate")
    if program is None:
        pytest.skip("systemd-socket-activate is not installed")
    with service_folder() as service, ThreadPoolExecutor(1) as pool:
        listen = service.tables["edge"]["listen"]
        passed_on = (f"--setenv={name}={service.env[name]}" for name in ("MODELSVC_HOME", "PYTHONPATH"))
        service.program = (program, f"--listen={listen}", "--fdname=edge", *passed_on, *SUPERVISOR)
        service.launch()
        until(lambda: listening(service), "it listens")
        assert pool.submit(service.chat, "Hello!").result().status_code == 200
        master = service.settled().edge.pid
        assert service.process is not None and master is not None
        assert sockets(service.process.pid) & sockets(master)


def test_another_address_than_the_sockets_is_served_and_told() -> None:
    """The configuration was changed after the installation."""
    with managed_service() as service, service_folder() as other:
        service.tables["edge"] = {"listen": other.tables["edge"]["listen"]}
        service.up()
        assert service.chat("Hello!").status_code == 200
        assert "run `modelsvc service install` again" in service.said()


def row(manager: str, number: signal.Signals, report: Report) -> tuple[str, ...]:
    figures = (str(figure) for figure in (report.sent, report.streams, report.failed))
    return (manager, number.name, *figures, f"{report.slowest_s:.2f} s")


def identities(status: Status) -> tuple[int | None, ...]:
    return (status.edge.pid, *(worker.pid for worker in status.workers.values()))


def keeps_signals(process: "subprocess.Popen[bytes] | None") -> bool:
    """Whether SIGTERM waits (Linux)."""
    assert process is not None
    status = Path(f"/proc/{process.pid}/status").read_text()
    (mask,) = (line.split()[1] for line in status.splitlines() if line.startswith("SigBlk:"))
    return bool(int(mask, 16) & 1 << (STOP - 1))


def queued(service: Service) -> int:
    """Connections that nobody has accepted."""
    return sum(int(fields[4].split(":")[1], 16) for fields in listening(service))


def listening(service: Service) -> list[list[str]]:
    """What the kernel tells of the socket, without connecting to it (Linux)."""
    port = f"{int(service.tables['edge']['listen'].rsplit(':')[-1]):04X}"
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return [fields for fields in rows if fields[1].endswith(f":{port}") and fields[3] == "0A"]


def sockets(pid: int) -> set[str]:
    """What its descriptors are (Linux)."""
    links = (str(entry.readlink()) for entry in Path(f"/proc/{pid}/fd").iterdir())
    return {link for link in links if link.startswith("socket:")}
