"""What a failed test needs, the logs of the service it was about; and tables of figures, at the end."""

from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any

import pytest
from tests.support.service_fixture import Service


@dataclass
class Table:
    """Figures that tests have to report."""

    title: str
    headings: tuple[str, ...]
    rows: list[tuple[str, ...]] = field(default_factory=list)

    def lines(self) -> list[str]:
        """In columns."""
        rows = [self.headings, *self.rows]
        widths = [max(len(row[column]) for row in rows) for column in range(len(self.headings))]
        return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]


TABLES = pytest.StashKey[list[Table]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[TABLES] = []


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for table in config.stash.get(TABLES, []):
        terminalreporter.section(table.title)
        for line in table.lines():
            terminalreporter.line(line)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Function) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    funcargs: dict[str, Any] = getattr(item, "funcargs", {})
    for service in (value for value in funcargs.values() if isinstance(value, Service)):
        if report.failed:
            report.sections.append(("logs of the service", service.tails()))
    return report
