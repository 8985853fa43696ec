"""What a failed test needs: the logs of the service it was about."""

from collections.abc import Generator
from typing import Any

import pytest
from tests.support.service_fixture import Service


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Function) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    funcargs: dict[str, Any] = getattr(item, "funcargs", {})
    for service in (value for value in funcargs.values() if isinstance(value, Service)):
        if report.failed:
            report.sections.append(("logs of the service", service.tails()))
    return report
