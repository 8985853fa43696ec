"""File systems that hang: whoever looks gives up in time, and nobody else has to wait."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from supervisor.config import Config
from supervisor.errors import ConfigError, Refused
from supervisor.memory import holdings
from supervisor.offload import run_within, run_within_blocking
from supervisor.paths import StatePaths
from supervisor.patience import eventually
from supervisor.releases import model_file
from supervisor.releases.store import ModelFile
from supervisor.settings import Settings

SOON_S = 0.05
DEADLINE_S = 20.0


class Disk:
    """Answers no question until it is mended; counts those who wait."""

    def __init__(self) -> None:
        self.mended, self.asked = threading.Event(), 0

    def ask(self, *_: object, **__: object) -> os.stat_result:
        self.asked += 1
        self.mended.wait(DEADLINE_S)
        return os.stat(__file__)  # noqa: PTH116 - Path's own may be this


@pytest.fixture
def disk() -> Iterator[Disk]:
    made = Disk()
    yield made
    made.mended.set()


async def test_who_looks_at_what_hangs_gives_up(folder: Path, disk: Disk) -> None:
    """And whoever looks next does so at once, in no thread more; once it answers, it is asked again."""
    with pytest.raises(TimeoutError, match=r"did not answer within 0\.05 s"):
        await run_within(folder, disk.ask, SOON_S)
    with pytest.raises(TimeoutError, match="still does not answer"):
        await run_within(folder, disk.ask, DEADLINE_S)
    with pytest.raises(TimeoutError, match="still does not answer"):
        run_within_blocking(folder, disk.ask, DEADLINE_S)
    assert disk.asked == 1
    assert await run_within(folder / "elsewhere", lambda: "answers", DEADLINE_S) == "answers"
    disk.mended.set()
    assert await soon(lambda: run_within_blocking(folder, lambda: "answers", DEADLINE_S))


async def soon(look: Callable[[], object]) -> bool:
    """Whether it answers; a thread that hung comes to its end in its own time."""

    async def answers() -> bool:
        try:
            return bool(look())
        except (TimeoutError, ConfigError):
            return False

    return await eventually(answers, DEADLINE_S)


@pytest.mark.parametrize("way", ["awaited", "blocking"])
async def test_what_goes_wrong_is_raised_as_it_is(folder: Path, way: str) -> None:
    """Also what looks like giving up."""
    for error in (FileNotFoundError(2, "No such file"), ZeroDivisionError()):

        def fails(error: Exception = error) -> None:
            raise error

        with pytest.raises(type(error)):
            if way == "awaited":
                await run_within(folder, fails, DEADLINE_S)
            else:
                run_within_blocking(folder, fails, DEADLINE_S)


def test_nobody_waits_for_what_hangs_at_the_end() -> None:
    """Neither the loop's end nor the interpreter's."""
    text = (
        "import asyncio, threading\nfrom pathlib import Path\nfrom supervisor.offload import run_within\n"
        "async def main():\n  try:\n    await run_within(Path('/x'), threading.Event().wait, 0.05)\n"
        "  except TimeoutError:\n    print('gave up')\n"
        "asyncio.run(main())\n"
    )
    ended = subprocess.run([sys.executable, "-c", text], capture_output=True, timeout=DEADLINE_S, check=True)
    assert ended.stdout == b"gave up\n"


def stat_hangs(monkeypatch: pytest.MonkeyPatch, disk: Disk, path: Path) -> None:
    """That of `path` alone."""
    stat: Callable[..., os.stat_result] = Path.stat
    monkeypatch.setattr(Path, "stat", lambda self, **how: disk.ask() if self == path else stat(self, **how))


async def test_a_model_file_that_hangs_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch, disk: Disk) -> None:
    """The loop goes on meanwhile."""
    path = folder / "m.gguf"
    path.write_bytes(b"GGUF")
    monkeypatch.setattr(model_file, "STAT_LIMIT_S", SOON_S)
    stat_hangs(monkeypatch, disk, path)
    with pytest.raises(Refused, match=r"m\.gguf cannot be read: its file system did not answer") as refused:
        await model_file.identify(path)
    assert refused.value.code == "model_unreadable"


def test_a_mapped_file_that_hangs_is_counted_all_the_same(
    folder: Path, monkeypatch: pytest.MonkeyPatch, disk: Disk
) -> None:
    """Its worker serves on from memory; only its device cannot be told."""
    path = folder / "m.gguf"
    path.write_bytes(b"GGUF")
    model = ModelFile(str(path), "aa", 4, path.stat().st_mtime_ns, path.stat().st_ino)
    assert holdings.mapped(model).identity == (path.stat().st_dev, model.inode)
    monkeypatch.setattr(holdings, "STAT_LIMIT_S", SOON_S)
    stat_hangs(monkeypatch, disk, path)
    assert [holdings.mapped(model).identity for _ in range(3)] == [(0, model.inode)] * 3
    assert disk.asked == 1


async def test_a_configuration_that_hangs_is_an_error_that_says_so(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pipe that nobody writes to is what a file on a dead server is."""
    path = folder / "modelsvc.toml"
    os.mkfifo(path)
    settings = Settings(Config(), path, StatePaths(folder), folder / "c.sock")
    monkeypatch.setattr("supervisor.settings.READ_LIMIT_S", SOON_S)
    for problem in ("did not answer within 0.05 s", "still does not answer"):
        with pytest.raises(ConfigError, match=rf"modelsvc\.toml cannot be read: its file system {problem}"):
            settings.model_section()
    with path.open("w") as writing:  # which ends the thread
        writing.write("[model]\nslots = 3\n")
    path.unlink()
    path.write_text("[model]\nslots = 3\n")
    assert await soon(lambda: settings.model_section().slots == 3)
