"""`modelsvc service` on macOS returns when the service serves: a launchctl of ours, but a real supervisor."""

import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import tomli_w
from click.testing import CliRunner, Result
from disposable.processes import processes_of
from disposable.waiting import until
from tests.support import fake_launchd
from tests.support.service_fixture import Service, service_folder

from modelsvc.cli.tree import cli
from supervisor.protocol import ExitCode

Run = Callable[..., Result]


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """A user's machine; what of the service runs at the end is ended."""
    monkeypatch.setattr("modelsvc.service.choice.sys", SimpleNamespace(platform="darwin"))
    with service_folder() as service:
        service.config.write_text(tomli_w.dumps(service.tables))
        (service.folder / "bin").mkdir()
        program = service.folder / "bin" / "launchctl"
        program.write_text(f"#!{sys.executable} -IS\n{Path(fake_launchd.__file__).read_text()}")
        program.chmod(0o755)
        path = os.pathsep.join((str(program.parent), os.environ["PATH"]))
        own = {"HOME": str(service.folder), "PATH": path, "FAKE_MANAGER": str(service.folder)}
        for name, value in {**service.env, **own}.items():
            monkeypatch.setenv(name, value)
        yield service
        CliRunner().invoke(cli, ["service", "uninstall"])
        until(lambda: not processes_of(service.folder), "all of it has ended")


@pytest.fixture
def run(service: Service) -> Run:
    return lambda *arguments: CliRunner().invoke(cli, ["service", *arguments], catch_exceptions=False)


def test_it_serves_when_the_command_returns(service: Service, run: Run) -> None:
    """After a restart by another supervisor, whatever this shell means by then."""
    done = run("install")
    assert done.exit_code == 0 and f"serves at {service.url}" in done.stdout, done.stderr
    assert "step " in done.stderr and service.chat("Hello!").status_code == 200
    old = service.status().pid
    restarted = json.loads(run("restart", "--json").stdout)
    assert restarted["running"] and restarted["pid"] == service.status().pid != old
    assert service.chat("Hello!").status_code == 200


def test_a_service_of_another_shell_is_asked_on_its_own_socket(
    service: Service, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By what it was installed with."""
    assert run("install", "--no-wait").exit_code == 0
    monkeypatch.setenv("MODELSVC_HOME", str(service.folder / "elsewhere"))
    monkeypatch.delenv("MODELSVC_CONFIG")
    started = json.loads(run("start", "--json").stdout)
    assert started == {
        "running": True,
        "pid": service.status().pid,
        "active": "blue",
        "listen": service.tables["edge"]["listen"],
    }


@pytest.mark.parametrize(
    ("tables", "code", "words"),
    [
        ({"edge": {"nginx": "/nowhere/nginx"}}, ExitCode.FAILED, "/nowhere/nginx"),
        ({"memory": {"budget_gb": 0.01}}, ExitCode.REFUSED, "came to nothing"),
    ],
    ids=["it ends", "its deployment fails"],
)
def test_what_cannot_serve_is_told(
    service: Service, run: Run, tables: dict[str, dict[str, object]], code: ExitCode, words: str
) -> None:
    """Also when it is tried again, and though launchd does."""
    for name, table in tables.items():
        service.tables.setdefault(name, {}).update(table)
    service.config.write_text(tomli_w.dumps(service.tables))
    for command in ("install", "start", "restart"):
        told = run(command)
        assert told.exit_code == code, told.stderr
        assert words in told.stderr and "`modelsvc service stop` ends it\n" in told.stderr
