"""systemd's units: what they say, and that systemd reads them as they are meant."""

import os
import shutil
import subprocess
import sys
from configparser import RawConfigParser
from dataclasses import replace
from pathlib import Path

import pytest
from tests.service.conftest import Machine

from modelsvc.service.installation import Installation, resolve, stop_timeout_s
from modelsvc.service.units import command_line, quoted, units
from supervisor import config as configuration
from supervisor.errors import InvalidRequest
from supervisor.paths import StatePaths

# What the service relies on, each for the reason that the template gives.
SERVICE = {
    "Type": "notify",
    "NotifyAccess": "main",
    "KillMode": "process",
    "KillSignal": "SIGTERM",
    "RestartKillSignal": "SIGUSR2",
    "Restart": "on-failure",
    "OOMPolicy": "continue",
    "NoNewPrivileges": "yes",
    "SystemCallFilter": "@system-service",
    "SystemCallErrorNumber": "EPERM",
    "UMask": "0077",
}
ODD = ("plain", "with space", "100 %n %%", "a'b", 'a"b', "back\\slash", "$HOME ${x}", "größe", "tab;#=")


def parsed(installation: Installation, kind: int, section: str) -> dict[str, str]:
    reader = RawConfigParser(strict=False, interpolation=None)
    reader.optionxform = str  # type: ignore[assignment,method-assign]
    reader.read_string(units(installation, Path("/u"))[kind].text)
    return dict(reader[section])


def test_the_service_says_what_it_relies_on(machine: Machine) -> None:
    """A restart hands over, a stop stops, and nginx and the workers are nobody else's to signal."""
    told = parsed(resolve(), 0, "Service")
    assert {key: told.get(key) for key in SERVICE} == SERVICE
    assert parsed(resolve(), 0, "Unit")["StartLimitIntervalSec"] == "0"
    assert float(told["RestartSec"]) >= 1, "a hot loop"


def test_the_socket_is_the_edges(machine: Machine) -> None:
    """It is not given up, whatever becomes of the service."""
    told = parsed(resolve(), 1, "Socket")
    assert told["ListenStream"] == f"127.0.0.1:{machine.port}"
    assert told["TriggerLimitIntervalSec"] == "0"
    assert parsed(resolve(), 1, "Install") == {"WantedBy": "sockets.target"}


def test_it_gets_more_time_than_an_end_may_take(machine: Machine) -> None:
    """A deployment at its first step, both drains, held requests, running answers, the workers."""
    machine.configure(deploy={"drain_timeout_s": 1000.0, "ready_timeout_s": 200.0, "bake_s": 30.0})
    installation = resolve()
    assert int(parsed(installation, 0, "Service")["TimeoutStopSec"]) > 2 * 1000 + 200 + 30 + 30 + 1000 + 30
    assert installation.stop_timeout_s == stop_timeout_s(configuration.load(machine.config))


def test_paths_are_absolute_and_as_they_are_now(machine: Machine) -> None:
    """Interpreter, configuration, state folder, and where nginx is."""
    installation = resolve()
    assert installation.command == (sys.executable, "-P", "-m", "supervisor", "--config", str(machine.config))
    assert installation.environment["MODELSVC_HOME"] == str(machine.state)
    nginx = shutil.which("nginx")
    assert nginx is None or str(Path(nginx).parent) in installation.path.split(os.pathsep)


@pytest.mark.parametrize("word", ODD)
def test_words_are_quoted(word: str) -> None:
    """Unquoted as systemd.syntax(7) says, they are what they were."""
    assert unquoted(quoted(word)) == word


def unquoted(text: str) -> str:
    if not text.startswith('"'):
        assert not set(text) & set(" \"'\\%;#$")
        return text
    return text[1:-1].replace("%%", "%").replace('\\"', '"').replace("\\\\", "\\")


@pytest.mark.parametrize("letter", ["\n", "\x7f", "\udce4"])
def test_a_path_that_no_unit_can_name_is_refused(machine: Machine, letter: str) -> None:
    """A line's end, say, or bytes that are no text."""
    with pytest.raises(InvalidRequest, match="rename it"):
        resolve(environ={"MODELSVC_HOME": f"/a{letter}b", "MODELSVC_CONFIG": str(machine.config)})


def test_a_program_that_systemd_would_not_run_is_run_by_env() -> None:
    """It refuses quotes and backslashes in a program's path."""
    assert command_line(("/o'p/python", "-m", "x")) == ':/usr/bin/env "/o\'p/python" -m x'


# --- systemd itself ---------------------------------------------------------------------------------------------------


@pytest.fixture
def verify(tmp_path: Path) -> "Verify":
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    return Verify(tmp_path)


class Verify:
    """`systemd-analyze verify`, which also looks for the program, at the path that it read."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "run").mkdir()

    def __call__(self, installation: Installation) -> str:
        files = units(installation, self.folder)
        for file in files:
            file.path.write_text(file.text)
        done = subprocess.run(
            ["systemd-analyze", "--user", "verify", *(str(file.path) for file in files)],
            env={**os.environ, "XDG_RUNTIME_DIR": str(self.folder / "run")},
            capture_output=True,
            text=True,
            timeout=60,
        )
        return done.stderr


def test_systemd_takes_the_units(machine: Machine, verify: Verify) -> None:
    """Without a word."""
    assert verify(resolve()) == ""


@pytest.mark.parametrize("name", ODD)
def test_systemd_reads_odd_paths_as_they_are_meant(machine: Machine, verify: Verify, name: str) -> None:
    """It finds the interpreter there, and not when it is gone."""
    folder = verify.folder / name
    folder.mkdir()
    python = folder / "python"
    python.symlink_to(sys.executable)
    installation = replace(resolve(), python=python, config=folder / "c.toml", state=StatePaths(folder))
    assert verify(installation) == ""
    python.unlink()
    if not set(name) & set("\"'\\"):  # of those only env is looked for
        assert "is not executable" in verify(installation)


def test_a_unit_that_is_wrong_is_noticed(machine: Machine, verify: Verify) -> None:
    """The tests above can fail."""
    assert verify(replace(resolve(), listen="nowhere:at:all")) != ""
