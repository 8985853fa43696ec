"""Workers on the demo model: one shared by tests that only ask, and short-lived ones for tests that stop them."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from disposable.worker import write_release
from tests.worker.harness import Worker, release_record, running
from tools.random_gguf import Shape, write_random_gguf

from modelsvc.models import demo_model_path


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy, so that nothing outside can change it meanwhile."""
    return Path(shutil.copy(demo_model_path(), tmp_path_factory.mktemp("model") / "demo.gguf"))


@pytest.fixture
def folder() -> Iterator[Path]:
    """Short, since Unix sockets go in it."""
    with tempfile.TemporaryDirectory(prefix="w") as path:
        yield Path(path)


@pytest.fixture(scope="module")
def shared(model: Path) -> Iterator[Worker]:
    with tempfile.TemporaryDirectory(prefix="w") as path:
        folder = Path(path)
        with running(folder, write_release(folder, release_record(model))) as worker:
            yield worker.wait_ready()


@pytest.fixture(scope="session")
def babble(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights with which the greedy answer to "Hello" goes on and on."""
    path = tmp_path_factory.mktemp("babble") / "babble.gguf"
    shape = Shape(embedding=128, blocks=4, heads=4, kv_heads=4, feed_forward=512, context=8192)
    write_random_gguf(shape, "F16", 1, path)
    return path


@pytest.fixture
def babbler(folder: Path, babble: Path) -> Iterator[Worker]:
    release = write_release(folder, release_record(babble, context_tokens=8192))
    with running(folder, release) as worker:
        yield worker.wait_ready()


@pytest.fixture
def worker(folder: Path, model: Path) -> Iterator[Worker]:
    with running(folder, write_release(folder, release_record(model))) as worker:
        yield worker.wait_ready()
