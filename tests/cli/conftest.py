"""A world of their own for command-line tests: state folder, configuration, working directory, and servers."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.cli.scripted import Script, serving

from modelsvc.cli.tree import cli

Run = Callable[..., Result]
Spawn = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def home() -> Iterator[Path]:
    """A state folder whose path is short enough for sockets."""
    folder = Path(tempfile.mkdtemp(prefix="msvc"))
    (folder / "run").mkdir()
    yield folder
    if folder.exists():  # else a test removed it
        shutil.rmtree(folder)


@pytest.fixture(autouse=True)
def own_world(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODELSVC_HOME", str(home))
    monkeypatch.delenv("MODELSVC_CONFIG", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def socket_path(home: Path) -> Path:
    return home / "run" / "control.sock"


@pytest.fixture
def daemon(socket_path: Path) -> Iterator[Script]:
    """A scripted daemon where the command line looks for one."""
    with serving(socket_path) as (script, _):
        yield script


@pytest.fixture
def edge() -> Iterator[tuple[Script, str]]:
    """A scripted edge and its URL."""
    with serving() as (script, address):
        yield script, f"http://{address}"


@pytest.fixture
def gguf(tmp_path: Path) -> Path:
    path = tmp_path / "b.gguf"
    path.write_bytes(b"GGUF" + bytes(60))
    return path


@pytest.fixture
def run() -> Run:
    """The command line in this process."""
    return lambda *args, **how: CliRunner().invoke(cli, list(args), prog_name="modelsvc", **how)


@pytest.fixture
def spawn() -> Spawn:
    """The command line as a process of its own."""

    def run_process(*args: str, **how: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "modelsvc", *args]
        return subprocess.run(command, capture_output=True, text=True, env=dict(os.environ), timeout=60, **how)  # type: ignore[call-overload,no-any-return]

    return run_process
