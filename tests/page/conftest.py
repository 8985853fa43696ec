"""A real service whose page is looked at; the tests of one module share it."""

from collections.abc import Iterator

import pytest
from tests.support.service_fixture import Service, running_service


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with running_service(tables={"deploy": {"bake_s": 1.0}}) as service:
        yield service
