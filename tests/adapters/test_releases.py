"""Releases: immutable, numbered, readable by people and by the next version."""

import tomllib
from dataclasses import FrozenInstanceError, asdict, replace
from pathlib import Path

import pytest

from supervisor.errors import JournalError, NotFound, StorageError
from supervisor.releases.store import ModelFile, Release, ReleaseStore

SETTINGS = {"context_tokens": 4096, "slots": 2, "gpu_layers": "auto", "kv_cache": "f16", "allowed_hosts": ["localhost"]}
RELEASE = Release(
    7,
    "2026-01-01T00:00:00.000Z",
    "0.1.0",
    ModelFile("/models/ä b.gguf", "ab" * 32, 5_000_000_000, 10**18 + 7, 42),
    SETTINGS,
)


@pytest.fixture
def store(folder: Path) -> ReleaseStore:
    return ReleaseStore(folder)


def test_a_release_comes_back_as_it_was(store: ReleaseStore) -> None:
    """To the nanosecond, in a file named by its number."""
    store.write(RELEASE)

    assert store.read(7) == RELEASE
    assert store.path(7).name == "0007.toml"
    assert tomllib.loads(store.path(7).read_text()) == asdict(RELEASE)


def test_a_release_is_never_changed() -> None:
    """Not as a value."""
    with pytest.raises(FrozenInstanceError):
        RELEASE.number = 8  # type: ignore[misc]


def test_the_model_settings_without_the_rest(store: ReleaseStore) -> None:
    """What a deployment can change, as far as the release holds it."""
    assert RELEASE.model_settings(("slots", "kv_cache", "unheard_of")) == {"slots": 2, "kv_cache": "f16"}


def test_a_missing_release_is_named(store: ReleaseStore) -> None:
    """With where it should be."""
    with pytest.raises(NotFound, match=r"there is no release 3 .*0003\.toml"):
        store.read(3)


@pytest.mark.parametrize(
    "text",
    ["", "number = 1", "not toml", 'number = 1\ncreated_at = ""\npackage_version = ""\nsettings = {}\nmodel = {x = 1}'],
)
def test_a_broken_release_is_an_error_that_names_the_file(store: ReleaseStore, text: str) -> None:
    """Empty, cut off, or of another shape."""
    store.path(1).write_text(text)
    with pytest.raises(JournalError, match=r"release 1 cannot be read from .*0001\.toml"):
        store.read(1)


def test_an_unreadable_release_is_an_error(store: ReleaseStore) -> None:
    """For root, too: a folder has its name; and bytes that are no text."""
    store.path(1).mkdir()
    store.path(2).write_bytes(b"\xff\xfe")
    for number in (1, 2):
        with pytest.raises(JournalError, match=f"release {number} cannot be read"):
            store.read(number)


def test_the_last_number_given_out(store: ReleaseStore, folder: Path) -> None:
    """Whatever else lies in the folder."""
    assert store.last() == 0
    for number in (2, 10, 9):
        store.write(replace(RELEASE, number=number))
    (folder / "notes.toml").touch()
    (folder / "12a.toml").touch()
    assert store.last() == 10


def test_a_disk_that_refuses_is_an_error(folder: Path) -> None:
    """Nothing is half written."""
    with pytest.raises(StorageError, match="cannot be written"):
        ReleaseStore(folder / "missing").write(RELEASE)
