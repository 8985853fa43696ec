"""`modelsvc doctor` beside a service that runs, is held, hangs, or has lost its supervisor. One service for all."""

import shutil
import signal
from collections.abc import Iterator

import pytest
from disposable.waiting import until
from tests.doctor.conftest import configure, everything_in, examine
from tests.support.service_fixture import Service, running_service
from tests.support.service_models import copied

from modelsvc.models import demo_model_path
from supervisor.protocol import DeployRequest


@pytest.fixture(scope="module")
def live() -> Iterator[Service]:
    """It serves a copy of the demo model."""
    with running_service() as service:
        copied(service.folder / "m.gguf")
        configure(service, model={"path": str(service.folder / "m.gguf")})
        service.does("shutdown")
        assert service.exit_code() == 0
        service.up()
        yield service


def test_beside_a_service_that_runs(live: Service) -> None:
    """All is well; its ports and its lock are its own; nothing of its state is touched."""
    before, pids = everything_in(live.state.releases), live.worker_pids()
    seen = examine(live)
    assert (seen.ran.code, seen.codes) == (0, [])
    ports = [finding.code for finding in seen.findings if finding.code.startswith("port_")]
    assert sorted(ports) == ["port_free", "port_free", "port_ours", "port_ours", "port_ours"]
    assert f"pid {live.status().pid}" in seen["lock_held"].seen
    assert "release" in seen["journal_ok"].seen and "same model and settings" in seen["memory_ok"].seen
    assert (everything_in(live.state.releases), live.worker_pids()) == (before, pids)


def test_another_configuration_than_the_daemons(live: Service) -> None:
    """Else its findings would be about a service that is not there."""
    other = live.folder / "other.toml"
    shutil.copy(live.config, other)
    seen = examine(live, "--config", str(other))
    assert (seen.ran.code, seen.codes) == (0, ["daemon_other_config"])
    assert str(live.config) in seen["daemon_other_config"].mend


def test_requests_held_by_pause(live: Service) -> None:
    live.does("pause")
    try:
        seen = examine(live)
    finally:
        live.does("resume")
    assert (seen.ran.code, seen.codes) == (0, ["requests_paused"])
    assert "ctl resume" in seen["requests_paused"].mend


def test_a_model_file_overwritten_since_its_release(live: Service) -> None:
    """The worker that serves goes on; the next one could not be started."""
    path = live.folder / "m.gguf"
    path.write_bytes(demo_model_path().read_bytes() + b"\0" * 64)
    seen = examine(live)
    assert (seen.ran.code, seen.codes) == (1, ["model_changed"])
    assert "m.gguf" in seen["model_changed"].seen
    live.does("deploy", DeployRequest())
    assert "model_changed" not in examine(live).codes


def test_a_daemon_that_hangs(live: Service) -> None:
    """It is waited for, but not for long; the way out is told with its pid."""
    assert live.process is not None
    live.process.send_signal(signal.SIGSTOP)
    try:
        seen = examine(live)
    finally:
        live.process.send_signal(signal.SIGCONT)
    assert seen.ran.code == 1 and "daemon_silent" in seen.codes
    assert str(live.process.pid) in seen["daemon_silent"].seen + seen["daemon_silent"].mend
    assert live.settled().active is not None


def test_a_supervisor_that_was_killed(live: Service) -> None:
    """Its workers and nginx are known as its own, and the next one takes them over."""
    live.kill_supervisor()
    seen = examine(live)
    assert seen.ran.code == 0 and "daemon_lost" in seen.codes
    assert "modelsvc up" in seen["daemon_lost"].mend
    assert "port_taken" not in seen.codes
    pids = live.worker_pids()
    live.up()
    until(lambda: set(live.worker_pids()) & set(pids), "a worker is taken over", 10)
    assert "daemon_lost" not in examine(live).codes


def test_ports_of_another_service(live: Service, service: Service) -> None:
    """It is named by its state folder, and ended by its own supervisor, not by killing what that starts again."""
    listen = live.tables["edge"]["listen"]
    port = int(str(listen).rpartition(":")[2])
    configure(service, edge={"listen": listen}, workers={"blue_port": live.tables["workers"]["blue_port"]})
    seen = examine(service)
    taken = [finding for finding in seen.findings if finding.code == "port_taken"]
    assert len(taken) == 2 and f":{port} " in taken[0].seen
    for finding in taken:
        assert f"of the modelsvc whose state is in {live.state.root}" in finding.seen
        assert f"MODELSVC_HOME={live.state.root} modelsvc ctl shutdown" in finding.mend
        assert "kill" not in finding.mend
    live.kill_supervisor()
    assert "kill " in next(finding.mend for finding in examine(service).findings if finding.code == "port_taken")
    live.up()
