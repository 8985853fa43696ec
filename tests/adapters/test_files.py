"""Files that must survive a crash: whole or not at all."""

import threading
from pathlib import Path

import pytest

from supervisor import files
from supervisor.errors import StorageError


def test_the_text_is_there_and_nothing_beside_it(folder: Path) -> None:
    """A first time and again."""
    path = folder / "x.toml"
    for text in ("one", "zwölf\n"):
        files.publish(path, text)
        assert path.read_text(encoding="utf-8") == text
        assert list(folder.iterdir()) == [path]


def test_a_reader_sees_the_old_text_or_the_new_one(folder: Path) -> None:
    """Never a part, never an absence, however often it looks."""
    path, size, done = folder / "x", 200_000, threading.Event()
    files.publish(path, "a" * size)
    seen: set[tuple[int, frozenset[str]]] = set()

    def read() -> None:
        while not done.is_set():
            text = path.read_text()
            seen.add((len(text), frozenset(text)))

    reader = threading.Thread(target=read)
    reader.start()
    for letter in "bcdefgh" * 3:
        files.publish(path, letter * size)
    done.set()
    reader.join()

    assert {length for length, _ in seen} == {size}
    assert all(len(letters) == 1 for _, letters in seen)


def test_a_missing_folder_is_an_error_that_says_what_to_do(folder: Path) -> None:
    """And leaves nothing."""
    with pytest.raises(StorageError, match=r"x cannot be written: No such file.*free the disk or mend its rights"):
        files.publish(folder / "missing" / "x", "text")
    assert list(folder.iterdir()) == []


def test_a_folder_that_became_a_file_is_an_error(folder: Path) -> None:
    """As any other refusal of the disk."""
    (folder / "file").touch()
    with pytest.raises(StorageError, match="Not a directory"):
        files.publish(folder / "file" / "x", "text")


def test_what_cannot_be_replaced_leaves_nothing_behind(folder: Path) -> None:
    """The rename fails, for root too: a folder stands where the file should be."""
    path = folder / "x"
    (path / "in the way").mkdir(parents=True)
    with pytest.raises(StorageError, match="cannot be written"):
        files.publish(path, "text")
    assert list(folder.iterdir()) == [path]


def test_a_full_disk_leaves_the_old_text(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The write is refused when it should become durable."""
    path = folder / "x"
    files.publish(path, "old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(StorageError, match="No space left on device"):
        files.publish(path, "new")
    assert path.read_text() == "old"
    assert list(folder.iterdir()) == [path]
