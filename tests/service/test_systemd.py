"""`modelsvc service` on a machine with systemd, by programs that note what they are asked."""

import fcntl
import json
import os
import socket
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import Result
from tests.service.conftest import Machine

from modelsvc.service import look
from modelsvc.service.systemd import Systemd
from supervisor.protocol import ExitCode

Run = Callable[..., Result]
BOTH = "modelsvc.service modelsvc.socket"


@pytest.fixture(autouse=True)
def linux(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("modelsvc.service.choice.sys", SimpleNamespace(platform="linux"))


@pytest.fixture
def installed(machine: Machine, run: Run) -> Machine:
    assert run("install").exit_code == ExitCode.DONE
    machine.forget()
    return machine


@contextmanager
def held(home: Path, pid: int = 1234) -> Iterator[None]:
    """A supervisor of that pid runs on the state folder."""
    lock = home / "run" / "lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as file:
        file.write(f"{pid}\n")
        file.flush()
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


# --- install ----------------------------------------------------------------------------------------------------------


def test_an_installation(machine: Machine, run: Run) -> None:
    """Files first, then everything that makes them count."""
    done = run("install")
    assert done.exit_code == ExitCode.DONE, done.stderr
    assert machine.orders == [
        "systemctl --user daemon-reload",
        f"systemctl --user enable {BOTH}",
        "systemctl --user start modelsvc.socket modelsvc.service",
        "loginctl enable-linger",
    ]
    assert sorted(path.name for path in machine.units.iterdir()) == ["modelsvc.service", "modelsvc.socket"]
    assert f"wrote   {machine.units}/modelsvc.service" in done.stdout
    assert str(machine.config) in (machine.units / "modelsvc.service").read_text()


def test_the_state_folder_is_closed_to_others(machine: Machine, run: Run) -> None:
    """Conversations will be in it."""
    assert run("install").exit_code == ExitCode.DONE
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (machine.state, machine.state / "logs")}
    assert modes == {0o700}


def test_a_state_folder_that_cannot_be_made_is_told(machine: Machine, run: Run) -> None:
    """Before anything is written."""
    machine.state.write_text("a file")
    failed = run("install")
    assert failed.exit_code == ExitCode.FAILED and "MODELSVC_HOME" in failed.stderr
    assert not machine.units.exists()


def test_done_again_it_changes_nothing(installed: Machine, run: Run) -> None:
    """A service that runs goes on."""
    done = run("install", "--json")
    assert json.loads(done.stdout)["changed"] == []
    assert not [call for call in installed.orders if "restart" in call or "stop" in call]


def test_a_changed_service_is_restarted(installed: Machine, run: Run) -> None:
    """Without a loss."""
    installed.configure(deploy={"drain_timeout_s": 77.0})
    assert json.loads(run("install", "--json").stdout)["changed"] == [f"{installed.units}/modelsvc.service"]
    assert "systemctl --user restart modelsvc.service" in installed.orders


def test_a_changed_address_is_bound_anew(installed: Machine, run: Run) -> None:
    """systemd binds no socket of a service that runs."""
    installed.configure(edge={"listen": f"127.0.0.2:{installed.port}"})
    assert run("install").exit_code == ExitCode.DONE
    assert installed.orders[:2] == ["systemctl --user daemon-reload", f"systemctl --user stop {BOTH}"]
    assert installed.orders[-1] == "systemctl --user start modelsvc.socket modelsvc.service"


def test_a_dry_run_shows_and_does_nothing(machine: Machine, run: Run) -> None:
    """Not even a folder."""
    shown = json.loads(run("install", "--dry-run", "--json").stdout)["files"]
    assert [Path(file["path"]).name for file in shown] == ["modelsvc.service", "modelsvc.socket"]
    assert shown[0]["text"] in run("install", "--print").stdout
    assert not machine.units.exists() and not machine.state.exists() and machine.orders == []


def test_the_users_own_folder_for_configurations_is_used(
    machine: Machine, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """$XDG_CONFIG_HOME."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(machine.home / "xdg"))
    assert run("install").exit_code == ExitCode.DONE
    assert (machine.home / "xdg" / "systemd" / "user" / "modelsvc.socket").is_file()


def test_several_services_have_names(machine: Machine, run: Run) -> None:
    """Their units do not meet; a name that could not be a unit's is misuse."""
    assert run("--name", "second", "install").exit_code == ExitCode.DONE
    assert machine.orders[-2] == "systemctl --user start second.socket second.service"
    refused = run("--name", "../x", "install")
    assert refused.exit_code == ExitCode.MISUSE and "'../x'" in refused.stderr


# --- what is in the way -----------------------------------------------------------------------------------------------


def test_a_wrong_configuration_is_refused_whole(machine: Machine, run: Run) -> None:
    """Every problem at once, and nothing is written."""
    machine.config.write_text('[edge]\nlisten = "nowhere"\n[model]\nslots = 0\n')
    refused = run("install")
    assert refused.exit_code == ExitCode.MISUSE
    assert "edge.listen" in refused.stderr and "model.slots" in refused.stderr
    assert not machine.units.exists()


def test_without_a_manager_that_answers_it_is_refused(machine: Machine, run: Run) -> None:
    """In a container, say; with what to do instead."""
    machine.refuses("--property=Version")
    refused = run("install", "--json")
    assert refused.exit_code == ExitCode.REFUSED
    assert json.loads(refused.stdout)["error"]["code"] == "no_service_manager"
    assert "modelsvc up" in refused.stderr and not machine.units.exists()


def test_without_systemd_it_is_refused(machine: Machine, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what to do instead."""
    monkeypatch.setenv("PATH", str(machine.home))
    refused = run("install")
    assert refused.exit_code == ExitCode.REFUSED and "modelsvc up" in refused.stderr


def test_a_supervisor_in_a_terminal_is_in_the_way(machine: Machine, run: Run) -> None:
    """The user is told to end it."""
    with held(machine.state, 1234):
        refused = run("install")
    assert refused.exit_code == ExitCode.REFUSED
    assert "pid 1234" in refused.stderr and "modelsvc ctl shutdown" in refused.stderr
    assert not machine.units.exists()
    assert run("install").exit_code == ExitCode.DONE


def test_the_managers_own_supervisor_is_not_in_the_way(installed: Machine, run: Run) -> None:
    """An installation may be done again while it runs."""
    installed.knows("pid", str(os.getpid()))
    with held(installed.state, os.getpid()):
        assert run("install").exit_code == ExitCode.DONE
        assert run("restart").exit_code == ExitCode.DONE


def test_a_taken_address_is_in_the_way(machine: Machine, run: Run) -> None:
    """systemd could not listen there."""
    with socket.create_server(("127.0.0.1", machine.port)):
        refused = run("install")
    assert refused.exit_code == ExitCode.REFUSED
    assert f"127.0.0.1:{machine.port}" in refused.stderr and not machine.units.exists()


def test_a_start_that_fails_is_told_in_systemds_words(machine: Machine, run: Run) -> None:
    """With where to look."""
    machine.refuses("start modelsvc.socket")
    failed = run("install")
    assert failed.exit_code == ExitCode.FAILED
    assert "Access denied" in failed.stderr and "modelsvc service logs" in failed.stderr


def test_lingering_that_is_refused_is_told_with_the_remedy(machine: Machine, run: Run) -> None:
    """The service is installed all the same."""
    machine.refuses("enable-linger")
    done = run("install")
    assert done.exit_code == ExitCode.DONE
    assert "sudo loginctl enable-linger" in done.stderr
    assert run("status").exit_code == ExitCode.FAILED  # it would end with the session


# --- the other commands -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "orders"),
    [
        ("start", ["systemctl --user start modelsvc.socket modelsvc.service"]),
        ("stop", [f"systemctl --user stop {BOTH}"]),
        ("restart", ["systemctl --user restart modelsvc.service"]),
    ],
)
def test_start_stop_restart(installed: Machine, run: Run, command: str, orders: list[str]) -> None:
    """And each tells a refusal."""
    done = run(command, "--json")
    assert (done.exit_code, json.loads(done.stdout)) == (ExitCode.DONE, {"running": command != "stop"})
    assert installed.orders == orders
    installed.refuses(f"--user {command}")
    assert run(command).exit_code == ExitCode.FAILED


@pytest.mark.parametrize("command", ["start", "stop", "restart", "uninstall"])
def test_what_is_not_installed_is_refused(machine: Machine, run: Run, command: str) -> None:
    """And nothing is asked."""
    refused = run(command)
    assert refused.exit_code == ExitCode.REFUSED and "not installed" in refused.stderr
    assert machine.orders == []


@pytest.mark.parametrize("command", ["start", "restart"])
def test_a_broken_configuration_is_told_before_anything_is_given_up(installed: Machine, run: Run, command: str) -> None:
    """Whoever runs goes on."""
    installed.config.write_text("[modle]")
    refused = run(command)
    assert refused.exit_code == ExitCode.MISUSE and "modle: there is no such table" in refused.stderr
    assert installed.orders == []


def test_a_service_is_asked_about_by_its_name_alone(
    machine: Machine, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has a state folder and a configuration of its own; whoever runs on this shell's is another one."""
    own, config = machine.home / "second $HOME 100%", machine.home / "second.toml"
    config.write_text(machine.config.read_text())
    with monkeypatch.context() as shell:
        shell.setenv("MODELSVC_HOME", str(own))
        assert run("--name", "second", "--config", str(config), "install").exit_code == ExitCode.DONE
    monkeypatch.delenv("MODELSVC_CONFIG")
    monkeypatch.setenv("MODELSVC_HOME", "")
    monkeypatch.setenv("XDG_STATE_HOME", str(machine.home / "states"))
    with held(machine.home / "states" / "modelsvc"):
        assert run("--name", "second", "status").exit_code == ExitCode.DONE
        for command in ("restart", "stop", "start"):
            assert run("--name", "second", command).exit_code == ExitCode.DONE
    done = json.loads(run("--name", "second", "install", "--json").stdout)
    assert done["changed"] == []
    assert f"kept     {own}:" in run("--name", "second", "uninstall").stdout


def test_another_state_folder_ends_what_runs_on_the_old_one(
    installed: Machine, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hand-over would leave nginx and workers on the ports, and nobody would know of them."""
    monkeypatch.setenv("MODELSVC_HOME", str(installed.home / "other"))
    assert look().stale
    assert run("install").exit_code == ExitCode.DONE
    assert installed.orders[0] == f"systemctl --user stop {BOTH}"
    assert installed.orders[-1] == "systemctl --user start modelsvc.socket modelsvc.service"
    assert not look().stale


def test_uninstall_leaves_the_state(installed: Machine, run: Run) -> None:
    """And names it."""
    (installed.state / "chat.db").touch()
    done = run("uninstall")
    assert done.exit_code == ExitCode.DONE
    assert installed.orders[:2] == [f"systemctl --user disable --now {BOTH}", "systemctl --user daemon-reload"]
    assert list(installed.units.iterdir()) == []
    assert str(installed.state) in done.stdout and (installed.state / "chat.db").exists()


def test_a_service_with_a_broken_configuration_can_be_stopped_and_removed(installed: Machine, run: Run) -> None:
    """Neither needs it."""
    installed.config.write_text("broken")
    assert run("stop").exit_code == ExitCode.DONE
    assert run("uninstall").exit_code == ExitCode.DONE


def test_files_stay_when_the_service_cannot_be_stopped(installed: Machine, run: Run) -> None:
    """So that it can be tried again."""
    installed.refuses("disable")
    assert run("uninstall").exit_code == ExitCode.FAILED
    assert len(list(installed.units.iterdir())) == 2


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        ((), ["--user", "--unit=modelsvc.service", "--lines=50", "--no-pager"]),
        (("-n", "7", "--follow"), ["--user", "--unit=modelsvc.service", "--lines=7", "--follow"]),
        (("--json",), ["--user", "--unit=modelsvc.service", "--lines=50", "--output=json", "--no-pager"]),
    ],
)
def test_logs_are_the_journals(
    machine: Machine, run: Run, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], command: list[str]
) -> None:
    """The command becomes journalctl."""
    became: list[list[str]] = []
    monkeypatch.setattr("os.execvp", lambda program, words: became.append(words))
    run("logs", *arguments)
    assert became == [["journalctl", *command]]


# --- waiting for it ---------------------------------------------------------------------------------------------------


def test_the_service_is_only_ordered_when_it_is_waited_for(installed: Machine, run: Run) -> None:
    """systemctl would say nothing until it is up; the socket is bound first, which may fail. Exit 5 after --timeout."""
    late = run("start", "--timeout", "0.1")
    assert late.exit_code == ExitCode.TIMED_OUT and "did not answer within 0.1 s" in late.stderr
    assert installed.orders == [
        "systemctl --user start modelsvc.socket",
        "systemctl --user start --no-block modelsvc.service",
        *(call for call in installed.orders if call.startswith("journalctl")),
    ]
    installed.forget()
    assert run("restart", "--timeout", "0.1").exit_code == ExitCode.TIMED_OUT
    assert installed.orders[0] == "systemctl --user restart --no-block modelsvc.service"


def test_waiting_and_not_waiting_exclude_each_other(installed: Machine, run: Run) -> None:
    """Misuse, and nothing is done."""
    refused = run("start", "--timeout", "3", "--no-wait")
    assert refused.exit_code == ExitCode.MISUSE and installed.orders == []


@pytest.mark.parametrize(
    ("shown", "ended"),
    [
        ({"SubState": "auto-restart", "ExecMainCode": "1", "ExecMainStatus": "2"}, 2),
        ({"SubState": "failed", "ExecMainCode": "2", "ExecMainStatus": "9"}, -9),
        ({"SubState": "failed", "ExecMainCode": "3", "ExecMainStatus": "11"}, -11),
        ({"SubState": "dead", "ExecMainCode": "1", "ExecMainStatus": "0"}, 0),
        ({"SubState": "auto-restart", "Job": "17", "ExecMainCode": "1", "ExecMainStatus": "2"}, None),
        ({"SubState": "start", "Job": "17"}, None),
        ({"SubState": "running"}, None),
        ({}, None),
    ],
)
def test_how_the_supervisor_ended(machine: Machine, shown: dict[str, str], ended: int | None) -> None:
    """Not while it runs, or systemd is at it."""
    for name, value in shown.items():
        machine.knows(f"modelsvc.service.{name}", value)
    assert Systemd("modelsvc").ended() == ended


def test_a_supervisor_that_ended_is_not_waited_for(installed: Machine, run: Run) -> None:
    """Its last words are told; its exit code is that of the command."""
    for name, value in {"SubState": "auto-restart", "ExecMainCode": "1", "ExecMainStatus": "4"}.items():
        installed.knows(f"modelsvc.service.{name}", value)
    told = run("start", "--json", "--timeout", "60")
    error = json.loads(told.stdout)["error"]
    assert (told.exit_code, error["code"], error["type"]) == (ExitCode.REFUSED, "not_up", "refused")
    assert "ended with exit code 4; systemd starts it again" in error["message"]
    assert error["message"].endswith("\nwhat it said")
    assert any(call.startswith("journalctl --user --unit=modelsvc.service --since=@") for call in installed.orders)


def test_without_a_journal_the_units_status_is_the_last_word(installed: Machine, run: Run) -> None:
    """Not every user may read one, and not everywhere is it kept."""
    states = {"SubState": "failed", "ExecMainCode": "1", "ExecMainStatus": "1", "StatusText": "no nginx=here"}
    for name, value in states.items():
        installed.knows(f"modelsvc.service.{name}", value)
    installed.refuses("journalctl")
    told = run("start", "--timeout", "60")
    assert told.exit_code == ExitCode.FAILED and told.stderr.endswith("\nno nginx=here\n")
    installed.knows("modelsvc.service.SubState", "start")
    assert "no nginx" not in run("start", "--timeout", "0.1").stderr  # it lives: that is what it is at


# --- how it is --------------------------------------------------------------------------------------------------------


def test_the_status_of_what_is_well(installed: Machine, run: Run) -> None:
    """Exit code 0, and everything in JSON."""
    shown = run("status", "--json")
    told = json.loads(shown.stdout)
    assert (shown.exit_code, told.pop("files")) == (ExitCode.DONE, [f"{installed.units}/{u}" for u in BOTH.split()])
    assert told == {
        "manager": "systemd",
        "installed": True,
        "running": True,
        "enabled": True,
        "stale": False,
        "linger": True,
        "problem": "",
    }


@pytest.mark.parametrize(
    ("name", "state", "problem"),
    [
        ("modelsvc.service", "inactive", "`modelsvc service start`"),
        ("modelsvc.socket.enabled", "disabled", "does not start by itself"),
        ("lingering", "no", "loginctl enable-linger"),
    ],
)
def test_what_is_wrong_is_told(installed: Machine, run: Run, name: str, state: str, problem: str) -> None:
    """With what to do; exit code 1."""
    installed.knows(name, state)
    shown = run("status")
    assert shown.exit_code == ExitCode.FAILED and problem in shown.stderr


def test_files_that_are_out_of_date_are_stale(installed: Machine) -> None:
    """A changed configuration, or a unit that is missing."""
    assert not look().stale
    installed.configure(deploy={"drain_timeout_s": 77.0})
    assert look().stale and "modelsvc service install" in look().problem
    installed.configure()
    (installed.units / "modelsvc.socket").unlink()
    assert look().stale and not look().installed


def test_looking_never_fails(installed: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken configuration, no manager, no programs: it is told as the problem."""
    installed.config.write_text("broken")
    assert "cannot be read as TOML" in look().problem
    installed.refuses("--property=Version")
    assert "no systemd answers" in look().problem
    monkeypatch.setenv("PATH", str(installed.home))
    assert (look().manager, look().installed) == ("none", False)


def test_a_broken_configuration_hides_nothing(installed: Machine, run: Run) -> None:
    """The service is there and runs, whatever is wrong with a file."""
    installed.config.write_text("broken")
    told = json.loads(run("status", "--json").stdout)
    assert (told["installed"], told["running"], told["stale"]) == (True, True, False)
    assert "cannot be read as TOML" in told["problem"]


def test_what_is_not_installed_is_no_problem(machine: Machine, run: Run) -> None:
    """But it does not run: exit code 1."""
    assert look().problem == "" and not look().installed
    assert run("status").exit_code == ExitCode.FAILED


def test_templates_are_found_at_the_top_of_the_repository() -> None:
    """Where one looks for them; an installed package has its own."""
    root = Path(__file__).resolve().parents[2]
    for folder, name in ((root / "launchd", "modelsvc.plist"), (root / "packaging/systemd", "modelsvc.socket.j2")):
        assert (folder / name).is_file()
