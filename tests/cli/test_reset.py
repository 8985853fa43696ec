"""`modelsvc reset` on folders of every kind; with a running service it is tried in tests/acceptance/test_detach.py."""

import fcntl
import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.cli.conftest import Run

from modelsvc.cli import locked
from supervisor.protocol import ExitCode

SHA = "a" * 64
BEFORE = {
    *("edge", "monitor", "releases", "logs", "models", "run"),
    *("chat.db", "chat.db-wal", "supervisor.db", "supervisor.db.corrupt-20310504", "reserve"),
}


@pytest.fixture
def state(home: Path) -> Path:
    """What a service left behind."""
    for name in ("edge/route", "monitor/data", "releases", "logs", f"models/{SHA}"):
        (home / name).mkdir(parents=True)
    for name in ("run/lock", "logs/supervisor.log", "chat.db", "chat.db-wal", "supervisor.db", "reserve"):
        (home / name).write_text("x" * 10)
    (home / "supervisor.db.corrupt-20310504").write_text("")
    (home / f"models/{SHA}/m.gguf").write_text("weights")
    return home


def left(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} if folder.exists() else set()


def test_all_goes_but_the_models(run: Run, state: Path) -> None:
    """And, when asked for, those too; then there is nothing more, which is no error."""
    told = json.loads(run("reset", "--yes", "--json").stdout)
    assert left(state) == {"models"} and "supervisor.db.corrupt-20310504" in told["removed"] and told["bytes"] == 60
    assert run("reset", "--models", "--yes").exit_code == ExitCode.DONE
    assert not state.exists()
    assert "nothing of modelsvc" in run("reset", "--yes").stdout


def test_what_may_not_be_looked_into_is_not_nothing(run: Run, state: Path) -> None:
    """The service of another user, say."""
    run("reset")  # loads what another user may not read
    state.chmod(0o000)
    with as_nobody():
        result = run("reset", "--yes")
    state.chmod(0o700)
    assert (result.exit_code, result.stdout) == (ExitCode.FAILED, "")
    assert f"{state} cannot be looked into: Permission denied; nothing was removed" in result.stderr
    assert left(state) == BEFORE


@contextmanager
def as_nobody() -> Iterator[None]:
    """No mode keeps root out."""
    user = os.geteuid()
    os.seteuid(user or 65534)
    try:
        yield
    finally:
        os.seteuid(user)


def test_nothing_is_removed_without_a_word(run: Run, state: Path) -> None:
    """Where nobody can be asked."""
    before = left(state)
    result = run("reset")
    assert result.exit_code == ExitCode.MISUSE and "--yes" in result.stderr
    assert left(state) == before


@pytest.mark.parametrize(("said", "code"), [("n", ExitCode.REFUSED), ("", ExitCode.REFUSED), ("y", ExitCode.DONE)])
def test_a_person_is_asked_and_shown_what_would_go(state: Path, said: str, code: int) -> None:
    """On a terminal; only a yes is one."""
    leader, follower = pty.openpty()
    command = [sys.executable, "-m", "modelsvc", "reset"]
    with subprocess.Popen(
        command, stdin=follower, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        os.close(follower)
        os.write(leader, f"{said}\n".encode())
        shown, _ = process.communicate(timeout=60)
    os.close(leader)
    assert process.returncode == code and "chat.db" in shown and "  models" not in shown
    assert left(state) == ({"models"} if said == "y" else BEFORE)


def test_the_store_of_read_only_models_can_be_removed(run: Run, state: Path) -> None:
    """Whoever closes their folders, too."""
    (state / f"models/{SHA}/m.gguf").chmod(0o444)
    (state / f"models/{SHA}").chmod(0o555)
    assert run("reset", "--models", "--yes").exit_code == ExitCode.DONE
    assert not state.exists()


def test_a_file_that_goes_away_while_it_is_counted_is_no_error(
    run: Run, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The service is stopped only after that, and makes and removes files all the time."""
    walk = os.walk

    def changing(top: Path) -> Iterator[tuple[str, list[str], list[str]]]:
        yield from ((folder, folders, [*names, "gone"]) for folder, folders, names in walk(top))

    monkeypatch.setattr(os, "walk", changing)
    assert run("reset", "--yes").exit_code == ExitCode.DONE
    assert left(state) == {"models"}


def test_links_are_not_followed(run: Run, state: Path, tmp_path: Path) -> None:
    """Whether they stand for one of our folders or are in one: the link goes, what it leads to stays as it is."""
    precious = tmp_path / "precious"
    precious.mkdir(mode=0o750)
    (precious / "letters").write_text("dear")
    (state / "releases").rmdir()
    (state / "releases").symlink_to(precious)
    (state / "logs/more").symlink_to(precious)
    (state / "edge/one").symlink_to(precious / "letters")

    assert run("reset", "--yes").exit_code == ExitCode.DONE
    assert left(state) == {"models"}
    assert (precious / "letters").read_text() == "dear" and precious.stat().st_mode & 0o777 == 0o750


def test_a_state_folder_that_is_a_link_is_emptied(run: Run, state: Path, tmp_path: Path) -> None:
    """The link and the folder are somebody else's; that they stay is no error."""
    elsewhere = state.rename(tmp_path / "disk")
    state.symlink_to(elsewhere)
    result = run("reset", "--models", "--yes")
    assert result.exit_code == ExitCode.DONE and "removed" in result.stdout
    assert state.is_symlink() and not any(elsewhere.iterdir())
    state.unlink()
    elsewhere.rename(state)  # which the fixture removes


def test_what_is_not_ours_stays(run: Run, state: Path) -> None:
    """And so does the folder it is in."""
    (state / "notes.txt").write_text("mine")
    assert run("reset", "--models", "--yes").exit_code == ExitCode.DONE
    assert left(state) == {"notes.txt"}


def test_a_folder_that_is_none_of_ours_is_refused(run: Run, state: Path) -> None:
    """MODELSVC_HOME may be wrong; names such as `logs` and `models` are everywhere."""
    (state / "run/lock").unlink()
    (state / "supervisor.db").unlink()
    (state / f"models/{SHA}").rename(state / "models/mine")
    before = left(state)
    result = run("reset", "--models", "--yes")
    assert result.exit_code == ExitCode.REFUSED and "MODELSVC_HOME" in result.stderr
    assert left(state) == before


def test_nothing_is_removed_under_a_supervisor_that_does_not_answer(
    run: Run, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It holds the lock; one that is just ending is waited for, but not for ever."""
    monkeypatch.setattr(locked, "ENDING_S", 0.1)
    before = left(state)
    with (state / "run/lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        result = run("reset", "--yes")
    assert result.exit_code == ExitCode.REFUSED and "does not answer" in result.stderr
    assert left(state) == before
