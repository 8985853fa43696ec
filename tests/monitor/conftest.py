"""A folder whose path is short enough for Unix sockets wherever the temporary folder is."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def folder() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="msvc"))
    yield path
    shutil.rmtree(path)
