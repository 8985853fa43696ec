"""Pulls that are killed, interrupted, at work at the same time, or that find no room."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from disposable.waiting import until
from tests.store.conftest import MODEL, Run, begin, left
from tests.support import file_server as fs
from tests.support.file_server import FileServer

from modelsvc.models import demo_model_path
from modelsvc.store import Store, local
from modelsvc.store.notes import Notes
from modelsvc.store.unfinished import partial, unfinished
from supervisor.errors import InvalidRequest

SUM = hashlib.sha256(MODEL).hexdigest()
DEADLINE_S = 20


def noted_bytes(store: Store) -> int:
    """That a pull has on the disk for sure."""
    notes = [json.loads(path.read_text()) for path in store.partials.glob("*/notes.json")]
    return max((int(each["synced_bytes"]) for each in notes), default=0)


def ended(process: "subprocess.Popen[str]") -> tuple[int, str]:
    _, err = process.communicate(timeout=DEADLINE_S)
    return process.returncode, err


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM], ids=lambda sent: sent.name)
def test_a_pull_that_is_ended_in_the_middle_is_gone_on_with(
    run: Run, store: Store, server: FileServer, sent: signal.Signals
) -> None:
    """Nothing half-done is where models are; the next pull asks for the rest alone."""
    server.script.append(fs.dripping)
    process = begin("pull", server.url())
    until(lambda: noted_bytes(store) > 0, "some of it is on the disk", DEADLINE_S)
    process.send_signal(sent)
    code, err = ended(process)

    assert code in (-sent, 130)
    if sent is signal.SIGINT:
        assert "what came so far is kept" in err and "Traceback" not in err
    assert store.entries() == () and store.broken() == ()
    (rest,) = unfinished(store)
    assert (rest.source, rest.running) == (server.url(), False) and 0 < rest.have_bytes < len(MODEL)

    pulled = run("pull", server.url(), "--json")
    assert pulled.exit_code == 0
    resumed = json.loads(pulled.stdout.splitlines()[0])["resumed_bytes"]
    assert 0 < resumed <= rest.have_bytes
    assert server.asked[-1].headers["range"] == f"bytes={resumed}-"
    assert left(store) == [f"{SUM}/model.gguf", f"{SUM}/origin.json"]


def test_a_pull_whose_reader_went_away_ends_without_a_word(store: Store, server: FileServer) -> None:
    """As `| head -1` ends it; what came is kept."""
    server.script.append(fs.dripping)
    process = begin("pull", server.url(), "--json")
    assert process.stdout is not None and "began" in process.stdout.readline()
    process.stdout.close()
    process.stdout = None
    assert ended(process) == (1, "")
    assert store.entries() == () and unfinished(store)[0].have_bytes > 0


def test_a_copy_that_is_interrupted_begins_anew(store: Store, tmp_path: Path) -> None:
    """A file of this machine is here anyway: of its copy nothing is kept, and nothing else is said."""
    (tmp_path / "big.gguf").write_bytes(MODEL)
    os.truncate(tmp_path / "big.gguf", 800_000_000)
    process = begin("pull", tmp_path / "big.gguf", "--json")
    assert process.stdout is not None and "began" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    code, err = ended(process)
    assert code == 130 and "interrupted; nothing of it was kept" in err
    assert left(store) == []


def test_bytes_beyond_the_synced_ones_are_asked_for_again(run: Run, store: Store, server: FileServer) -> None:
    """After a power cut they may be holes in a file of the right length."""
    server.script.append(fs.breaking_after(1_000_000))
    assert run("pull", server.url(), "--tries", 1).exit_code == 1
    (part,) = store.partials.glob("*/file/part")
    with part.open("ab") as file:
        file.write(bytes(500_000))

    assert run("pull", server.url()).exit_code == 0
    assert server.asked[-1].headers["range"] == "bytes=1000000-"
    assert store.find("model").path.read_bytes() == MODEL


@pytest.mark.parametrize("damage", ["", "{}", '{"key": 5}', "\0" * 100])
def test_notes_that_cannot_be_read_begin_it_anew(run: Run, store: Store, server: FileServer, damage: str) -> None:
    """What a power cut leaves of them says nothing."""
    server.script.append(fs.breaking_after(1_000_000))
    assert run("pull", server.url(), "--tries", 1).exit_code == 1
    (notes,) = store.partials.glob("*/notes.json")
    notes.write_text(damage)

    assert run("pull", server.url()).exit_code == 0
    assert "range" not in server.asked[-1].headers
    assert store.find("model").path.read_bytes() == MODEL


@pytest.mark.parametrize("moment", ["named", "published"])
def test_a_pull_that_was_killed_just_before_its_end(run: Run, store: Store, server: FileServer, moment: str) -> None:
    """Its file had its name already, or was in its place, and only cleaning up was left."""
    server.script.append(fs.breaking_after(len(MODEL) - 1))
    assert run("pull", server.url(), "--tries", 1).exit_code == 1
    (part,) = store.partials.glob("*/file/part")
    part.chmod(0o444)
    part.rename(part.with_name("model.gguf"))
    (part.parent / "origin.json").write_text("{}")
    if moment == "published":
        (part.parent / "model.gguf").chmod(0o644)
        (part.parent / "model.gguf").write_bytes(MODEL)
        part.parent.rename(store.folder / SUM)

    assert run("pull", server.url()).exit_code == 0
    assert left(store) == [f"{SUM}/model.gguf", f"{SUM}/origin.json"]
    assert store.find("model").path.read_bytes() == MODEL


def test_two_pulls_of_one_source_transfer_it_once(store: Store, server: FileServer) -> None:
    """The second one waits, says for whom, and finds it there."""
    server.usual = fs.dripping
    first = begin("pull", server.url())
    until(lambda: noted_bytes(store) > 0, "the first one is at work", DEADLINE_S)
    server.usual = fs.honest
    second = begin("pull", server.url(), "--json")
    assert second.stdout is not None
    waiting = json.loads(second.stdout.readline())
    assert waiting == {"event": "waiting", "pid": first.pid}
    assert [each.running for each in unfinished(store)] == [True]

    first.kill()
    assert ended(first)[0] == -signal.SIGKILL
    assert ended(second)[0] == 0
    assert "range" in server.asked[-1].headers, "it went on with what the first one had"
    assert store.find("model").path.read_bytes() == MODEL


def test_pulls_of_the_same_content_from_several_sources_end_in_one_entry(store: Store, server: FileServer) -> None:
    """Whoever comes first names it, and nothing of the others stays."""
    pulls = [begin("pull", server.url(f"{n}.gguf"), "--json") for n in range(4)]
    assert [ended(each) for each in pulls] == [(0, "")] * 4
    (entry,) = store.entries()
    assert entry.name in {f"{n}.gguf" for n in range(4)} and entry.path.read_bytes() == MODEL
    assert len(left(store)) == 2


def test_a_model_in_the_store_is_read_only(run: Run, store: Store, server: FileServer) -> None:
    """Whoever writes into it does so on purpose."""
    assert run("pull", server.url()).exit_code == 0
    assert store.find("model").path.stat().st_mode & 0o777 == 0o444


def test_a_file_of_this_machine_is_copied(run: Run, store: Store, tmp_path: Path) -> None:
    """What is done to the user's file later changes nothing in the store."""
    own = tmp_path / "my modèl.gguf"
    own.write_bytes(MODEL)
    assert run("pull", own).exit_code == 0
    own.write_bytes(b"something else")

    entry = store.find("my modèl")
    assert entry.path.read_bytes() == MODEL and entry.path.stat().st_nlink == 1
    assert "is there already" in run("pull", demo_model_path()).output


def test_a_file_that_goes_away_before_it_is_copied_is_named(store: Store, tmp_path: Path) -> None:
    """It is not the store that cannot be used, and nothing is left in it."""
    notes, path = Notes(key="0123456789abcdef", source="s", name="m.gguf", sha256=SUM), tmp_path / "gone.gguf"
    with pytest.raises(InvalidRequest, match=f"there is no file {path}"), partial(store, notes, print) as unfinished:
        local.copy(path, unfinished, print)
    assert left(store) == [] and list(store.partials.iterdir()) == []


@contextmanager
def small_disk(folder: Path, size_mb: int) -> Iterator[None]:
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size_mb}m", "modelsvc-test", str(folder)]
    if os.geteuid() or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting is not permitted")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


ROOMY_MB = 49  # of 2**20 bytes: less than the reserve and the model, more than the reserve


@pytest.mark.parametrize("source", ["a server", "this machine"])
def test_what_does_not_fit_is_refused_before_it_comes(
    run: Run, store: Store, server: FileServer, tmp_path: Path, source: str
) -> None:
    """With what is needed, what there is, and where; the disk stays as it was."""
    with small_disk(tmp_path / "state", ROOMY_MB):
        ended = run("pull", demo_model_path() if source == "this machine" else server.url(), "--json")
        error = json.loads(ended.stdout.splitlines()[-1])["error"]
        assert (ended.exit_code, error["code"]) == (4, "disk_full"), ended.output
        assert left(store) == []
        assert "2 MB are still needed, beside 50 MB that must stay free" in error["message"]
        assert str(store.folder) in error["message"] and "MODELSVC_HOME" in error["message"]


def test_what_turns_out_not_to_fit_is_stopped_before_the_disk_is_full(
    run: Run, store: Store, server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server need not tell how much there will be; the service beside it still has room to write."""
    monkeypatch.setattr("modelsvc.store.web.ROOM_CHECKED_BYTES", 200_000)
    server.usual = fs.without_length()
    with small_disk(tmp_path / "state", ROOMY_MB):
        ended = run("pull", server.url())
        assert ended.exit_code == 4 and "must stay free" in ended.stderr, ended.output
        assert 0 < shutil.disk_usage(store.folder).free < 50_000_000


def test_a_disk_that_fills_meanwhile_keeps_what_came(
    run: Run, store: Store, server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With room again, the pull goes on."""
    monkeypatch.setattr("modelsvc.store.web.check_room", lambda *_: None)
    with small_disk(tmp_path / "state", 1):
        full = run("pull", server.url())
        assert full.exit_code == 4 and "is full" in full.stderr and "is kept" in full.stderr
        assert store.entries() == ()
        subprocess.run(["mount", "-o", "remount,size=8m", str(tmp_path / "state")], check=True)
        assert run("pull", server.url()).exit_code == 0
        assert store.find("model").path.read_bytes() == MODEL


def test_a_store_that_cannot_be_written(run: Run, store: Store, server: FileServer, tmp_path: Path) -> None:
    """One line that says where and why."""
    with small_disk(tmp_path / "state", 8):
        subprocess.run(["mount", "-o", "remount,ro", str(tmp_path / "state")], check=True)
        ended = run("pull", server.url())
        assert ended.exit_code == 1
        assert "Read-only file system" in ended.stderr and str(store.folder) in ended.stderr
        assert "no models" in run("list").output


def test_files_of_the_systems_own_are_not_in_the_way(run: Run, store: Store, server: FileServer) -> None:
    """A file manager leaves some wherever it looks."""
    server.script.append(fs.breaking_after(1_000_000))
    assert run("pull", server.url(), "--tries", 1).exit_code == 1
    (part,) = store.partials.glob("*/file/part")
    for folder in (store.folder, store.partials, part.parent.parent, part.parent):
        (folder / ".DS_Store").write_text("?")
        (folder / "._model.gguf").write_text("?")
    assert "1 MB of 2 MB" in run("list").output
    assert run("pull", server.url()).exit_code == 0
    assert server.asked[-1].headers["range"] == "bytes=1000000-"
    assert [entry.name for entry in store.entries()] == ["model.gguf"] and store.broken() == ()
    assert run("remove", "model").exit_code == 0 and run("remove", "--partial").exit_code == 0


def test_a_file_in_the_place_of_the_store(run: Run, store: Store, server: FileServer) -> None:
    store.folder.parent.mkdir()
    store.folder.write_text("?")
    for command in (("pull", server.url()), ("list",), ("verify",)):
        ended = run(*command)
        assert ended.exit_code == 1, ended.output
        assert "cannot be used" in ended.stderr and "MODELSVC_HOME" in ended.stderr
