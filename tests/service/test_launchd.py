"""`modelsvc service` on macOS, as far as that can be told elsewhere: by a launchctl that notes what it is asked."""

import json
import os
from collections.abc import Callable
from types import SimpleNamespace

import pytest
from click.testing import Result
from tests.service.conftest import Machine

from modelsvc.service import look
from supervisor.protocol import ExitCode

Run = Callable[..., Result]
DOMAIN = f"gui/{os.getuid()}"
TARGET = f"{DOMAIN}/local.modelsvc"


@pytest.fixture(autouse=True)
def macos(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("modelsvc.service.choice.sys", SimpleNamespace(platform="darwin"))


@pytest.fixture
def installed(machine: Machine, run: Run) -> Machine:
    done = run("install")
    assert done.exit_code == ExitCode.DONE, done.stderr
    return machine


def test_an_installation(installed: Machine, run: Run) -> None:
    """The file, and its job loaded; the folder of its log exists, which launchd does not make."""
    agent = installed.agents / "local.modelsvc.plist"
    assert installed.orders == [f"launchctl enable {TARGET}", f"launchctl bootstrap {DOMAIN} {agent}"]
    assert (installed.state / "logs").is_dir()
    installed.forget()
    assert json.loads(run("install", "--json").stdout)["changed"] == []
    assert installed.orders == [f"launchctl enable {TARGET}"]


def test_a_changed_file_is_loaded_anew(installed: Machine, run: Run) -> None:
    """launchd reads it only then."""
    installed.forget()
    installed.configure(deploy={"drain_timeout_s": 77.0})
    assert look().stale
    assert run("install").exit_code == ExitCode.DONE
    agent = installed.agents / "local.modelsvc.plist"
    assert installed.orders == [
        f"launchctl bootout {TARGET}",
        f"launchctl enable {TARGET}",
        f"launchctl bootstrap {DOMAIN} {agent}",
    ]


def test_a_service_keeps_what_it_was_installed_with(
    installed: Machine, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the shell names neither configuration nor state folder; another state folder ends what runs."""
    monkeypatch.setenv("MODELSVC_CONFIG", "")
    monkeypatch.setenv("MODELSVC_HOME", "")
    assert json.loads(run("install", "--json").stdout)["changed"] == []
    installed.forget()
    monkeypatch.setenv("MODELSVC_HOME", str(installed.home / "other"))
    assert run("install").exit_code == ExitCode.DONE
    assert installed.orders[0] == f"launchctl bootout {TARGET}"
    (installed.agents / "local.modelsvc.plist").write_text("edited by hand")
    assert look().stale


def test_a_restart_hands_over(installed: Machine, run: Run) -> None:
    """And returns when the next one runs, which KeepAlive starts."""
    installed.forget()
    assert run("restart").exit_code == ExitCode.DONE
    assert installed.orders == [f"launchctl kill SIGUSR2 {TARGET}"]


def test_stop_and_start(installed: Machine, run: Run) -> None:
    """A job that is kept alive is stopped by unloading it; a restart starts one that does not run."""
    installed.forget()
    assert run("stop").exit_code == ExitCode.DONE
    assert look().problem == "it is installed, but does not run: run `modelsvc service start`"
    assert run("stop").exit_code == ExitCode.DONE  # it is so already
    assert run("start").exit_code == ExitCode.DONE
    agent = installed.agents / "local.modelsvc.plist"
    assert installed.orders == [f"launchctl bootout {TARGET}", f"launchctl bootstrap {DOMAIN} {agent}"]
    run("stop")
    assert run("restart").exit_code == ExitCode.DONE and look().running


def test_the_status(installed: Machine, run: Run) -> None:
    """Lingering is no question: an agent lives from login to logout."""
    told = json.loads(run("status", "--json").stdout)
    facts = [told[key] for key in ("manager", "installed", "running", "enabled", "stale", "linger", "problem")]
    assert facts == ["launchd", True, True, True, False, None, ""]


def test_uninstall(installed: Machine, run: Run) -> None:
    """Unloaded, removed."""
    installed.forget()
    assert run("uninstall").exit_code == ExitCode.DONE
    assert installed.orders == [f"launchctl bootout {TARGET}"]
    assert list(installed.agents.iterdir()) == [] and not look().installed


def test_without_a_session_it_is_refused(machine: Machine, run: Run) -> None:
    """By ssh on a Mac where nobody is logged in."""
    machine.refuses(f"print {DOMAIN}")
    refused = run("install")
    assert refused.exit_code == ExitCode.REFUSED and "modelsvc up" in refused.stderr
    assert not machine.agents.exists()


@pytest.mark.parametrize("verb", ["bootstrap", "enable"])
def test_a_refusal_is_told(machine: Machine, run: Run, verb: str) -> None:
    """In launchd's words."""
    machine.refuses(f"launchctl {verb}")
    failed = run("install")
    assert failed.exit_code == ExitCode.FAILED and "Access denied" in failed.stderr


def test_logs_are_where_the_installed_agent_writes(
    installed: Machine, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the configuration says now; JSON they are not."""
    became: list[list[str]] = []
    monkeypatch.setattr("os.execvp", lambda program, words: became.append(words))
    run("logs", "-n", "3", "--follow")
    assert became == [["tail", "-n", "3", "-F", str(installed.state / "logs" / "service.log")]]
    assert run("logs", "--json").exit_code == ExitCode.MISUSE
