"""What somebody put into the store by hand is there after every pull, repair, removal and cleaning."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.store.conftest import MODEL, Run
from tests.support import file_server as fs
from tests.support.file_server import FileServer

from modelsvc.models import demo_model_path
from modelsvc.store import Store
from modelsvc.store.unfinished import unfinished

SUM = hashlib.sha256(MODEL).hexdigest()
OWN = b"the user's own"


@pytest.fixture
def place(store: Store) -> Path:
    """Where the demo model comes to be."""
    return store.folder / SUM


def put(path: Path, content: bytes = OWN) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("name", ["notes.txt", "mine.gguf", "origin.json.mine", "a folder/mine.gguf"])
def test_a_pull_into_a_folder_that_is_there_leaves_what_is_in_it(
    run: Run, store: Store, place: Path, name: str
) -> None:
    """The model comes beside it, is known from it, and what else is there is said."""
    own = put(place / name)
    assert [folder.name for folder in store.broken()] == [SUM]
    ended = run("pull", demo_model_path())
    assert ended.exit_code == 0, ended.output
    assert f"also has {own.relative_to(place).parts[0]}, which the store did not put there" in ended.output
    assert store.find("demo").path.read_bytes() == MODEL and store.broken() == ()
    assert own.read_bytes() == OWN and not list(store.partials.iterdir())


def test_a_second_file_beside_a_model_hides_neither(run: Run, store: Store, place: Path) -> None:
    """Every command knows which one is the store's."""
    assert run("pull", demo_model_path()).exit_code == 0
    own = put(place / "another.gguf")
    assert run("list", "--json").output.count('"sha256"') == 1 and store.find("demo").name == "demo.gguf"
    finished = json.loads(run("pull", demo_model_path(), "--json").output.splitlines()[-1])
    assert (finished["already"], finished["strangers"]) == (True, ["another.gguf"])
    verified = run("verify")
    assert verified.exit_code == 0 and f"{place} also has another.gguf" in verified.stderr
    assert own.read_bytes() == OWN


def test_a_repair_replaces_the_stores_file_alone(run: Run, store: Store, place: Path) -> None:
    """Under the name that it has: releases know it by its path."""
    assert run("pull", demo_model_path()).exit_code == 0
    own = put(place / "another.gguf")
    (place / "demo.gguf").chmod(0o600)
    (place / "demo.gguf").write_bytes(b"damaged")
    assert run("pull", demo_model_path(), "--repair", "--name", "another").exit_code == 0
    assert own.read_bytes() == OWN
    assert store.find("demo").path.read_bytes() == MODEL and run("verify").exit_code == 0


def test_a_removal_leaves_what_is_not_the_stores(run: Run, store: Store, place: Path) -> None:
    assert run("pull", demo_model_path()).exit_code == 0
    own = put(place / "another.gguf")
    removed = run("remove", "demo")
    assert removed.exit_code == 0 and "also has another.gguf" in removed.stderr
    assert [path.name for path in place.iterdir()] == ["another.gguf"] and own.read_bytes() == OWN
    assert store.entries() == () and run("pull", demo_model_path()).exit_code == 0
    assert store.find("demo").path.read_bytes() == MODEL and own.read_bytes() == OWN


def test_a_file_of_the_same_name_is_not_written_over(run: Run, place: Path) -> None:
    """The message names it, and a pull under another name brings the model."""
    own = [put(place / "demo.gguf"), put(place / "other.gguf")]
    ended = run("pull", demo_model_path())
    assert ended.exit_code == 1 and f"{place / 'demo.gguf'} has the name" in ended.stderr
    assert run("pull", demo_model_path(), "--name", "third").exit_code == 0
    assert [path.read_bytes() for path in own] == [OWN, OWN]
    assert (place / "third.gguf").read_bytes() == MODEL


def test_a_model_among_several_files_without_a_record_is_known_by_its_content(
    run: Run, store: Store, place: Path
) -> None:
    """As after a rename by hand; it is not brought twice."""
    own = put(place / "another.gguf")
    model = put(place / "renamed.gguf", MODEL)
    inode = model.stat().st_ino
    assert run("verify").exit_code == 1
    assert run("pull", demo_model_path()).exit_code == 0
    assert (store.find("renamed").path.stat().st_ino, own.read_bytes()) == (inode, OWN)
    assert sorted(path.name for path in place.iterdir()) == ["another.gguf", "origin.json", "renamed.gguf"]


@pytest.mark.parametrize("make", [Path.touch, lambda path: path.symlink_to("nowhere")], ids=["a file", "a link"])
def test_what_is_no_folder_is_not_replaced(run: Run, place: Path, make: Callable[[Path], None]) -> None:
    place.parent.mkdir(parents=True)
    make(place)
    ended = run("pull", demo_model_path())
    assert ended.exit_code == 1 and str(place) in ended.stderr and "move it away" in ended.stderr
    assert place.is_symlink() or place.is_file()


def broken_off(run: Run, store: Store, server: FileServer) -> Path:
    """The folder of a pull that did not come to its end."""
    server.script.append(fs.breaking_after(1_000_000))
    assert run("pull", server.url(), "--tries", 1).exit_code == 1
    (left,) = unfinished(store)
    return Path(left.folder)


def test_cleaning_up_leaves_what_no_pull_made(run: Run, store: Store, server: FileServer) -> None:
    """In folders of pulls, and in others that lie there."""
    folder = broken_off(run, store, server)
    own = [
        put(folder / "mine.gguf"),
        put(folder / "file" / "mine.gguf"),
        put(store.partials / "mine" / "m.gguf"),
        put(store.partials / "m.gguf"),
    ]
    assert json.loads(run("remove", "--partial", "--json").output)["freed_bytes"] == 1_000_000
    assert [path.read_bytes() for path in own] == [OWN] * 4
    assert unfinished(store) == () and not (folder / "file" / "part").exists()


def test_a_pull_that_goes_on_leaves_them_as_well(run: Run, store: Store, server: FileServer, place: Path) -> None:
    """What lies where the model is brought together comes with it, and is told."""
    folder = broken_off(run, store, server)
    own = put(folder / "mine.gguf")
    put(folder / "file" / "mine.gguf")
    ended = run("pull", server.url())
    assert ended.exit_code == 0 and "also has mine.gguf" in ended.output
    assert server.asked[-1].headers["range"] == "bytes=1000000-"
    assert own.read_bytes() == OWN and (place / "mine.gguf").read_bytes() == OWN
    assert store.find("model").path.read_bytes() == MODEL


def test_a_file_of_the_models_name_where_it_is_brought_together(run: Run, store: Store, server: FileServer) -> None:
    own = put(broken_off(run, store, server) / "file" / "model.gguf")
    ended = run("pull", server.url())
    assert ended.exit_code == 1 and f"{own} is not the store's: move it away" in ended.stderr
    assert own.read_bytes() == OWN
    own.unlink()
    assert run("pull", server.url()).exit_code == 0
