"""A real service whose page is looked at; the tests of one module share it."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser
from tests.page.browser import running_browser
from tests.support.service_fixture import Service, running_service


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with running_service(tables={"deploy": {"bake_s": 1.0}}) as service:
        yield service


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """One for all: each visit has a profile of its own."""
    async with running_browser() as browser:
        yield browser
