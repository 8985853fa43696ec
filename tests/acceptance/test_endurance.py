"""Many deployments in a row: nobody loses a request, and nothing grows.

Six run with `make test`, a hundred with `make test-faults`.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass
from statistics import median

import psutil
import pytest
from disposable.processes import processes_of
from tests.acceptance.conftest import TABLES, Table
from tests.support.service_fixture import Service, running_service
from tests.support.service_traffic import steady_traffic

from supervisor.protocol import DeployRequest

CLIENTS, THINK_S = 4, 0.1
STATUS_LOOKS = 5
# What may come on top of the first ones: generous, for what is looked for grows with every deployment.
GROWTH, GROWTH_MB, GROWTH_FILES, GROWTH_MS = 1.25, 8.0, 4, 50.0
HEADINGS = ("deployments", "of them", "private MB", "files", "nginx files", "status ms", "deployment s")


@dataclass(frozen=True)
class Figures:
    """What the service holds after a deployment, and how long things took."""

    private_mb: float  # of the supervisor
    files: float  # that the supervisor has open
    nginx_files: float  # that nginx has open, all its processes together
    status_ms: float
    deployment_s: float


@pytest.fixture
def service() -> Iterator[Service]:
    with running_service(tables={"model": {"context_tokens": 512}, "deploy": {"bake_s": 0.1}}) as service:
        yield service


@pytest.mark.parametrize(
    ("deployments", "window"), [(6, 2), pytest.param(100, 10, marks=[pytest.mark.long, pytest.mark.timeout(900)])]
)
def test_deployments_in_a_row(service: Service, deployments: int, window: int, request: pytest.FixtureRequest) -> None:
    """No request fails; memory, open files and the time of a status are at the end what they were at first."""
    before = len(service.history())
    with steady_traffic(service.url, CLIENTS, THINK_S) as traffic:
        seen = [deployed(service) for _ in range(deployments)]
        traffic.goes_on()
    first, last = medians(seen[:window]), medians(seen[-window:])
    request.config.stash[TABLES].append(
        Table("deployments in a row", HEADINGS, [row(deployments, "first", first), row(deployments, "last", last)])
    )

    history = service.client.history(deployments + before)
    assert [each.outcome for each in history] == ["succeeded"] * (deployments + before)
    assert last.private_mb <= first.private_mb * GROWTH + GROWTH_MB
    assert last.files <= first.files + GROWTH_FILES
    assert last.nginx_files <= first.nginx_files + GROWTH_FILES + 2 * CLIENTS  # connections come and go
    assert last.status_ms <= first.status_ms * GROWTH + GROWTH_MS


def deployed(service: Service) -> Figures:
    began = time.monotonic()
    service.does("deploy", DeployRequest())
    seconds = time.monotonic() - began
    assert service.process is not None
    supervisor = psutil.Process(service.process.pid)
    nginx = [each for each in processes_of(service.folder) if "nginx: " in " ".join(each.cmdline())]
    return Figures(
        supervisor.memory_full_info().uss / 1e6,
        supervisor.num_fds(),
        sum(process.num_fds() for process in nginx),
        median(status_ms(service) for _ in range(STATUS_LOOKS)),
        seconds,
    )


def status_ms(service: Service) -> float:
    began = time.monotonic()
    service.status()
    return (time.monotonic() - began) * 1000


def medians(seen: Sequence[Figures]) -> Figures:
    return Figures(*map(median, zip(*map(astuple, seen), strict=True)))


def row(deployments: int, which: str, figures: Figures) -> tuple[str, ...]:
    return (str(deployments), which, *(f"{figure:.1f}" for figure in astuple(figures)))
