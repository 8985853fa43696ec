"""A user of their own: home, state folder, configuration, and service managers that are only programs on PATH."""

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import tomli_w
from click.testing import CliRunner, Result
from disposable.ports import reserved_ports
from tests.support import fake_manager

from modelsvc.cli.tree import cli

PROGRAMS = ("systemctl", "loginctl", "journalctl", "launchctl")


@dataclass
class Machine:
    """What the fake programs know and were asked; `home` is the user's."""

    folder: Path
    home: Path
    state: Path
    port: int

    @property
    def config(self) -> Path:
        return self.home / "modelsvc.toml"

    @property
    def units(self) -> Path:
        return self.home / ".config" / "systemd" / "user"

    @property
    def agents(self) -> Path:
        return self.home / "Library" / "LaunchAgents"

    @property
    def orders(self) -> list[str]:
        """Without what only asks."""
        asked = (" show ", "show-user", "launchctl print")
        path = self.folder / "calls"
        calls = path.read_text().splitlines() if path.exists() else []
        return [call for call in calls if not any(word in call for word in asked)]

    def forget(self) -> None:
        (self.folder / "calls").unlink(missing_ok=True)

    def refuses(self, *words: str) -> None:
        """Calls that contain any of these fail."""
        (self.folder / "refuses").write_text("\n".join(words))

    def knows(self, name: str, state: str) -> None:
        (self.folder / name).write_text(state)

    def configure(self, **tables: dict[str, object]) -> None:
        self.config.write_text(tomli_w.dumps({"edge": {"listen": f"127.0.0.1:{self.port}"}, **tables}))


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    root = Path(tempfile.mkdtemp(prefix="msvc"))
    with reserved_ports(1) as ports:
        machine = Machine(root / "manager", root / "home", root / "state", ports[0])
        for folder in (machine.folder, machine.home, root / "bin"):
            folder.mkdir()
        for name in PROGRAMS:
            program = root / "bin" / name
            program.write_text(f"#!{sys.executable} -IS\n{Path(fake_manager.__file__).read_text()}")
            program.chmod(0o755)
        machine.configure()
        told = {"HOME": machine.home, "MODELSVC_HOME": machine.state, "MODELSVC_CONFIG": machine.config}
        path = os.pathsep.join((str(root / "bin"), os.environ["PATH"]))
        for variable, value in {**told, "PATH": path, "FAKE_MANAGER": machine.folder}.items():
            monkeypatch.setenv(variable, str(value))
        monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
        yield machine
    shutil.rmtree(root)


@pytest.fixture
def run(machine: Machine) -> Callable[..., Result]:
    """`modelsvc service …`, in this process. The fake managers start nothing that could be waited for."""

    def run(*arguments: str) -> Result:
        begins = not {"install", "start", "restart"}.isdisjoint(arguments) and "--dry-run" not in arguments
        patience = ["--no-wait"] if begins and "--timeout" not in arguments else []
        return CliRunner().invoke(cli, ["service", *arguments, *patience], catch_exceptions=False)

    return run
