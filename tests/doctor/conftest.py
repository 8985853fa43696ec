"""The doctor as a process, in a service's folder and in an otherwise empty world."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest
import tomli_w
from tests.support.service_fixture import Ran, Service, service_folder

from modelsvc.doctor.findings import Finding, Report


@dataclass(frozen=True)
class Examined:
    """How the command ended, and what it reported."""

    ran: Ran
    report: Report

    @property
    def codes(self) -> list[str]:
        """Of everything that is not well."""
        return [finding.code for finding in self.findings if finding.level != "ok"]

    @property
    def findings(self) -> list[Finding]:
        return [finding for area in self.report.areas for finding in area.findings]

    def __getitem__(self, code: str) -> Finding:
        """The only finding with that code."""
        (finding,) = [finding for finding in self.findings if finding.code == code]
        return finding


def examine(service: Service, *arguments: str) -> Examined:
    """`modelsvc doctor --json`; what it prints must be a report, without a key too few or too many."""
    ran = service.run("doctor", "--json", *arguments)
    assert "Traceback" not in ran.err, ran.err
    assert ran.code in (0, 1), ran
    return Examined(ran, msgspec.json.decode(ran.out, type=Report))


def configure(service: Service, **tables: dict[str, object]) -> None:
    """Write the configuration, with some keys changed."""
    for name, keys in tables.items():
        service.tables[name] = {**service.tables.get(name, {}), **keys}
    service.config.write_text(tomli_w.dumps(service.tables))


def everything_in(folder: Path) -> dict[str, tuple[int, int, int]]:
    """Each file's and folder's mode, size and time of change."""
    found = {}
    for path in sorted([folder, *folder.rglob("*")]):
        stat = path.lstat()
        found[str(path)] = stat.st_mode, stat.st_size, stat.st_mtime_ns
    return found


@pytest.fixture
def service() -> Iterator[Service]:
    """A service that is configured, and was never started."""
    with service_folder() as service:
        home = service.folder / "home"
        temporary = service.folder / "tmp"
        home.mkdir()
        temporary.mkdir()
        service.environment |= {"HOME": str(home), "TMPDIR": str(temporary), "XDG_CONFIG_HOME": str(home / "x")}
        configure(service)
        yield service


@pytest.fixture
def as_root() -> None:
    if os.geteuid():
        pytest.skip("only root may give files to another user")
