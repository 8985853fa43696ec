"""Files that are watched, and who watches them."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.support.watched_files import Desk, desk


@pytest.fixture
async def world(folder: Path) -> AsyncIterator[Desk]:
    async with desk(folder) as made:
        yield made
