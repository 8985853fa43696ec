"""Whatever dies at whatever step of a deployment: nobody's request is lost, and all that tells about it agrees.

Twelve of the 52 cases run with `make test`, all of them with `make test-faults`.
"""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from tests.acceptance.conftest import TABLES, Table
from tests.acceptance.fault_matrix import CASES, HEADINGS, Case, faulty_service, run
from tests.support.service_fixture import Service
from tests.support.service_with_faults import Victim

from supervisor.core.steps import Step
from supervisor.protocol import DeployRequest

# Early, in the middle, and late, for each victim.
SHORT = {
    Victim.SUPERVISOR: {Step.CHECK_EDGE, Step.VERIFY_ROUTE, Step.BAKE},
    Victim.ACTIVE: {Step.CHECK_ACTIVE, Step.SWITCH_ROUTE, Step.DRAIN},
    Victim.STANDBY: {Step.START_STANDBY, Step.WARM_UP, Step.VERIFY_ROUTE},
    Victim.NGINX: {Step.CHECK_EDGE, Step.TEST_CONFIG, Step.DRAIN},
}


class OneAtATime:
    """The service of the victim that is due; cases come sorted by victim. Each must be able to deploy at its end."""

    def __init__(self) -> None:
        self._victim: Victim | None = None
        self._open = ExitStack()
        self._service: Service | None = None

    def of(self, victim: Victim) -> Service:
        if self._service is None or self._victim is not victim:
            self.close()
            self._victim, self._service = victim, self._open.enter_context(faulty_service())
        return self._service

    def close(self) -> None:
        """After everything it went through, a deployment works."""
        service, self._service = self._service, None
        with self._open:
            if service is not None:
                service.does("deploy", DeployRequest())


@pytest.fixture(scope="module")
def services() -> Iterator[OneAtATime]:
    services = OneAtATime()
    yield services
    services.close()


@pytest.fixture
def service(services: OneAtATime, case: Case) -> Service:
    return services.of(case.victim)


@pytest.fixture(scope="module")
def table(request: pytest.FixtureRequest) -> Table:
    """Printed when all tests are over."""
    table = Table("kill -9 at each step of a deployment", HEADINGS)
    request.config.stash[TABLES].append(table)
    return table


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, marks=() if case.step in SHORT[case.victim] else pytest.mark.long, id=str(case))
        for case in CASES
    ],
)
def test_killed_at_a_step(service: Service, case: Case, table: Table) -> None:
    """It settles within 10 s as the design says, and only streams of a killed worker are cut."""
    result = run(service, case)
    table.rows.append(result.row)
    assert not result.problems, "\n".join(result.problems)
