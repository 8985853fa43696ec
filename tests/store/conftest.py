"""A state folder of its own, a server with the demo model, and the command line in this process."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.support.file_server import FileServer, serving_file

from modelsvc.cli.tree import cli
from modelsvc.models import demo_model_path
from modelsvc.store import Store
from modelsvc.store.patience import Patience

Run = Callable[..., Result]
MODEL = demo_model_path().read_bytes()
ENVIRONMENT = ("MODELSVC_CONFIG", "HF_ENDPOINT", "HF_TOKEN", "HF_HUB_OFFLINE", "http_proxy", "HTTP_PROXY", "all_proxy")


@pytest.fixture(autouse=True)
def own_world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODELSVC_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    for name in ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses that are made at all are short."""
    pause_s = Patience.pause_s

    def shortened(self: Patience, failed: int, asked_s: float | None) -> float | None:
        return None if pause_s(self, failed, asked_s) is None else 0.01

    monkeypatch.setattr(Patience, "pause_s", shortened)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "state" / "models")


@pytest.fixture
def server() -> Iterator[FileServer]:
    with serving_file(MODEL) as server:
        yield server


@pytest.fixture
def run(quick: None) -> Run:
    """`modelsvc model`, in this process."""
    return lambda *args: CliRunner().invoke(cli, ["model", *map(str, args)], prog_name="modelsvc")


def begin(*args: object, **environment: str) -> "subprocess.Popen[str]":
    """`modelsvc model` as a process of its own."""
    command = [sys.executable, "-m", "modelsvc", "model", *map(str, args)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **environment}
    )


def left(store: Store) -> list[str]:
    """Every file of the store, but locks; an empty list when nothing is there."""
    found = (path for path in store.folder.rglob("*") if path.is_file() and path.name not in ("lock", "notes.json"))
    return sorted(str(path.relative_to(store.folder)) for path in found)
