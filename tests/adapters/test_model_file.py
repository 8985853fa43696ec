"""Model files before they are run: which one is it, and can it be served?"""

import hashlib
import os
import shutil
from collections.abc import Callable
from io import BufferedReader
from pathlib import Path

import pytest

from modelsvc.models import demo_model_path
from supervisor.errors import Refused
from supervisor.protocol import ExitCode
from supervisor.releases import model_file


@pytest.fixture
def model(folder: Path) -> Path:
    """A copy, for it will be ill-treated."""
    return Path(shutil.copy(demo_model_path(), folder / "ä model.gguf"))


async def test_a_model_is_looked_into_without_its_weights() -> None:
    """The ledger's figures come from the header, by the library that will load it."""
    shape = await model_file.inspect(demo_model_path())

    assert shape.size_bytes == demo_model_path().stat().st_size
    for figure in ("blocks", "embedding", "heads_kv", "key_length", "value_length", "vocabulary", "context_tokens"):
        assert getattr(shape, figure) > 0, figure
    assert shape.architecture


def missing(path: Path) -> None:
    path.unlink()


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def empty(path: Path) -> None:
    path.write_bytes(b"")


def text(path: Path) -> None:
    path.write_text("this is no model\n" * 100)


def half(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def only_a_header(path: Path) -> None:
    os.truncate(path, 200)


def garbage_after_the_magic(path: Path) -> None:
    path.write_bytes(b"GGUF" + bytes(range(256)) * 40)


@pytest.mark.parametrize(
    "damage", [missing, a_folder, empty, text, half, only_a_header, garbage_after_the_magic], ids=lambda d: d.__name__
)
async def test_what_cannot_be_served_is_refused(model: Path, damage: Callable[[Path], None]) -> None:
    """Whatever it is: the file is named, the reason told, and nothing else happens."""
    damage(model)
    with pytest.raises(Refused) as caught:
        await model_file.inspect(model)

    assert str(model) in caught.value.message
    assert caught.value.code.startswith("model_")
    assert caught.value.exit_code is ExitCode.REFUSED
    assert "\n" not in caught.value.message


async def test_a_model_is_identified_by_its_content(model: Path) -> None:
    """And by what tells at a glance that it is still the same file."""
    known, stat = await model_file.identify(model), model.stat()

    assert known.sha256 == hashlib.sha256(model.read_bytes()).hexdigest()
    assert (known.path, known.size_bytes, known.inode) == (str(model), stat.st_size, stat.st_ino)
    assert known.mtime_ns == stat.st_mtime_ns


async def test_the_hash_of_an_unchanged_file_is_computed_once(model: Path) -> None:
    """Gigabytes are not read for each deployment; a change is seen all the same."""
    model_file._sha256.cache_clear()
    first = await model_file.identify(model)
    assert await model_file.identify(model) == first
    assert model_file._sha256.cache_info().misses == 1
    with model.open("ab") as file:
        file.write(b"more")

    assert (await model_file.identify(model)).sha256 != first.sha256
    assert model_file._sha256.cache_info().misses == 2


async def test_a_file_that_changes_while_it_is_read_has_no_identity_yet(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its sum would be of neither state; when it is still, it has one."""
    digest = hashlib.file_digest

    def growing(file: BufferedReader, name: str) -> object:
        with model.open("ab") as more:
            more.write(b"more")
        return digest(file, name)

    with monkeypatch.context() as patched:
        patched.setattr(hashlib, "file_digest", growing)
        with pytest.raises(Refused, match="changed while it was read: wait until it is complete"):
            await model_file.identify(model)
    assert (await model_file.identify(model)).sha256 == hashlib.sha256(model.read_bytes()).hexdigest()


async def test_an_unchanged_file_passes(model: Path) -> None:
    """Also when it was only read."""
    known = await model_file.identify(model)
    model.read_bytes()
    assert await model_file.verify_unchanged(known) == known


def grown(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"x")


def written_over(path: Path) -> None:
    stat = path.stat()
    with path.open("r+b") as file:
        file.write(b"gguf")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))


def replaced(path: Path) -> None:
    """By other bytes of the same length and time."""
    stat = path.stat()
    beside = path.with_suffix(".new")
    whole = path.read_bytes()
    beside.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    os.utime(beside, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    beside.replace(path)


@pytest.mark.parametrize("change", [grown, written_over, replaced], ids=lambda change: change.__name__)
async def test_a_changed_file_is_refused(model: Path, change: Callable[[Path], None]) -> None:
    """Under a mapping it would mean other weights, or a dead worker."""
    known = await model_file.identify(model)
    change(model)
    with pytest.raises(Refused, match="was changed since its release was made: deploy it as a new release") as caught:
        await model_file.verify_unchanged(known)
    assert caught.value.code == "model_changed"


def touched(path: Path) -> None:
    os.utime(path, ns=(1, 1))


def put_back(path: Path) -> None:
    Path(shutil.copy(path, path.with_suffix(".new"))).replace(path)


@pytest.mark.parametrize("change", [touched, put_back], ids=lambda change: change.__name__)
async def test_the_same_bytes_pass_whatever_inode_and_time_they_have(
    model: Path, change: Callable[[Path], None]
) -> None:
    """The content decides; the file is told as it is now, for its pages are found by its inode. It is read once."""
    known = await model_file.identify(model)
    change(model)
    model_file._sha256.cache_clear()
    found = await model_file.verify_unchanged(known)
    assert await model_file.verify_unchanged(known) == found

    stat = model.stat()
    assert (found.sha256, found.inode, found.mtime_ns) == (known.sha256, stat.st_ino, stat.st_mtime_ns)
    assert found != known and model_file._sha256.cache_info().misses == 1


async def test_a_file_that_is_gone_is_refused(model: Path) -> None:
    """With its path."""
    known = await model_file.identify(model)
    model.unlink()
    with pytest.raises(Refused, match=r"model\.gguf is gone.*put the file back") as caught:
        await model_file.verify_unchanged(known)
    assert caught.value.code == "model_missing"


async def test_a_header_is_remembered_for_the_file_it_is_of(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that was replaced, or is gone, when the reader is done is looked into again."""
    asked: list[Path] = []
    facts = model_file.facts

    async def replacing(path: Path) -> dict[str, object]:
        found = await facts(path)
        asked.append(path)
        if len(asked) == 1:
            Path(shutil.copy(path, path.with_name("new"))).rename(path)
        return found

    monkeypatch.setattr(model_file, "facts", replacing)
    for _ in range(3):
        await model_file.shape_of(model)
    assert len(asked) == 2

    async def removing(path: Path) -> dict[str, object]:
        found = await facts(path)
        path.unlink()
        return found

    monkeypatch.setattr(model_file, "facts", removing)
    assert (await model_file.inspect(model)).size_bytes


async def test_a_reader_that_does_not_end_is_killed(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is left of it, and the deployment is refused."""
    monkeypatch.setattr(model_file, "INSPECT_TIMEOUT_S", 0.01)
    with pytest.raises(Refused, match=r"could not be read within 0\.01 s"):
        await model_file.inspect(model)


async def test_a_reader_that_crashes_ends_nothing_else(
    model: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hostile file may bring it down; its last words are told."""
    program = folder / "crashing"
    program.write_text("#!/bin/sh\necho 'GGML_ASSERT failed' >&2\nkill -ABRT $$\n")
    program.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(program))
    with pytest.raises(Refused, match="crashed the model reader: GGML_ASSERT failed; get the file again"):
        await model_file.inspect(model)
