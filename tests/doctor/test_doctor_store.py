"""`modelsvc doctor` on the model store."""

from pathlib import Path

import pytest
from tests.doctor.conftest import examine
from tests.support.service_fixture import Service

from modelsvc.models import demo_model_path


@pytest.fixture
def stored(service: Service) -> Path:
    """The file of the only model in the store."""
    ran = service.run("model", "pull", f"file:{demo_model_path()}")
    assert ran.code == 0, ran
    (path,) = service.state.models.glob("*/*.gguf")
    return path


def test_a_store_that_is_sound(service: Service, stored: Path) -> None:
    seen = examine(service)
    assert (seen.ran.code, seen.codes) == (0, [])
    assert "1 model(s), 2 MB, each whole by its header" in seen["store_ok"].seen
    assert "by its SHA-256" in examine(service, "--deep")["store_ok"].seen


def test_a_file_that_was_cut_short(service: Service, stored: Path) -> None:
    stored.chmod(0o644)
    stored.write_bytes(stored.read_bytes()[:-1000])
    stored.chmod(0o444)
    seen = examine(service)
    assert (seen.ran.code, seen.codes) == (1, ["store_damaged"])
    assert stored.name in seen["store_damaged"].seen
    mend = seen["store_damaged"].mend.split("`")[1].removeprefix("modelsvc ").split()
    assert service.run(*mend).code == 0
    assert examine(service).codes == []


def test_a_byte_that_changed_is_found_by_reading_all(service: Service, stored: Path) -> None:
    """Without --deep the file is not read; that somebody could write it is told, though."""
    stored.chmod(0o644)
    whole = bytearray(stored.read_bytes())
    whole[-1] ^= 1
    stored.write_bytes(whole)
    assert examine(service).codes == ["store_writable"]
    seen = examine(service, "--deep")
    assert (seen.ran.code, seen.codes) == (1, ["store_damaged", "store_writable"])
    assert "SHA-256" in seen["store_damaged"].seen


def test_what_a_pull_left(service: Service, stored: Path) -> None:
    """Its folder is told, to go on from or to remove."""
    partial = service.state.models / ".partial" / "0123456789abcdef"
    (partial / "file").mkdir(parents=True)
    (partial / "file" / "part").write_bytes(bytes(1000))
    seen = examine(service)
    assert (seen.ran.code, seen.codes) == (0, ["store_partial"])
    assert str(partial) in seen["store_partial"].seen and "--partial" in seen["store_partial"].mend
