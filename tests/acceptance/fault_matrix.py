"""kill -9 of each process at each step of a deployment, under traffic: what is expected, and what came of it.

    python -m tests.acceptance.fault_matrix        # all 52 cases, as a Markdown table

Every case begins as an ordinary day does: one colour serves, the other is its warm standby with the release before.
The deployment replaces that standby, so up to step 4 `standby` is the old one, then the new one, and from step 11 on
the colour that served before.
"""

import json
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from disposable.service import is_settled
from disposable.waiting import until
from loadtest.traffic import Report, Traffic
from tests.support.service_fixture import Service, other, running_service
from tests.support.service_traffic import SteadyTraffic
from tests.support.service_truth import contradictions
from tests.support.service_with_faults import ARMED, STRUCK, Struck, Victim

from supervisor.core.steps import Step
from supervisor.errors import SupervisorError
from supervisor.protocol import DeployRequest, Outcome, Status

RUNNER = Path(__file__).parent.parent / "support" / "service_with_faults.py"
CLIENTS, THINK_S = 5, 0.05
CONVERGENCE_LIMIT_S = 10.0
ANSWERS_AROUND = 10  # requests before the deployment, and after it has converged


@dataclass(frozen=True)
class Expected:
    """How the deployment ends, which colour serves afterwards, and whether the victim may have been streaming."""

    outcome: Outcome
    serves: str  # old or new: the colour the deployment came from, or went to
    cuts: bool = False


GOES_ON = Expected(Outcome.SUCCEEDED, "new")
GOES_ON_CUT = Expected(Outcome.SUCCEEDED, "new", cuts=True)
UNDONE = Expected(Outcome.ROLLED_BACK, "old")
UNDONE_CUT = Expected(Outcome.ROLLED_BACK, "old", cuts=True)
REFUSED = Expected(Outcome.REFUSED, "old")

# 13 steps each, in groups that share an outcome; why, is told beside the group.
EXPECTED: dict[Victim, tuple[Expected, ...]] = {
    Victim.SUPERVISOR: (
        *([UNDONE] * 10),  # until the new colour was seen at the edge, the next supervisor goes back
        *([GOES_ON] * 3),  # and forward from then on
    ),
    Victim.ACTIVE: (
        *([Expected(Outcome.REFUSED, "new", cuts=True)] * 3),  # the warm standby takes over
        *([GOES_ON_CUT] * 7),  # that made room already: it is restarted beside the deployment
        *([UNDONE_CUT] * 2),  # the new colour died on trial
        Expected(Outcome.SUCCEEDED, "old", cuts=True),  # it is baked; then the warm old worker takes over
    ),
    Victim.STANDBY: (
        *([GOES_ON] * 4),  # the old one, which has to go anyway
        *([UNDONE] * 5),  # the new one, which did not prove itself
        UNDONE_CUT,  # it serves by then
        GOES_ON_CUT,  # the old colour, which may be finishing streams
        *([GOES_ON] * 2),  # the same, drained
    ),
    Victim.NGINX: (
        *([REFUSED] * 2),  # step 2 finds no nginx
        *([GOES_ON] * 11),  # its workers serve until the next one does
    ),
}


@dataclass(frozen=True)
class Case:
    """One cell of the matrix."""

    victim: Victim
    step: Step

    @property
    def expected(self) -> Expected:
        return EXPECTED[self.victim][self.step - 1]

    def __str__(self) -> str:
        return f"{self.victim}-{self.step:02d}-{self.step.key}"


CASES = tuple(Case(victim, step) for victim in Victim for step in Step)


@dataclass(frozen=True)
class Result:
    """What came of a case. `problems` is empty when all is as expected."""

    case: Case
    struck: Struck
    outcome: Outcome | None
    serves: str
    seconds: float  # from the kill until everything had settled
    traffic: Report
    problems: list[str] = field(default_factory=list)

    @property
    def row(self) -> tuple[str, ...]:
        killed = "no such process" if self.struck.pid is None else str(self.struck.color or "")
        traffic = self.traffic
        counts = (traffic.sent, traffic.plain_failed, traffic.refused, traffic.cut)
        return (
            self.case.victim,
            f"{self.case.step} {self.case.step.key}",
            killed,
            f"{self.outcome}, {self.serves} serves",
            f"{self.seconds:.1f}",
            *map(str, counts),
            "; ".join(self.problems) or "ok",
        )


HEADINGS = ("victim", "step", "killed", "outcome", "settled (s)", "requests", "failed", "refused", "cut", "verdict")


@contextmanager
def faulty_service() -> Iterator[Service]:
    """Serves, and does as the fault file says."""
    tables = {"model": {"context_tokens": 512}, "deploy": {"bake_s": 0.3}}
    with running_service(program=(sys.executable, str(RUNNER)), tables=tables) as service:
        yield service


def run(service: Service, case: Case) -> Result:
    """Deploy under traffic, strike, wait until all has settled, and compare."""
    before = _warmed(service)
    number = service.history()[0].deployment + 1
    traffic = SteadyTraffic(Traffic(service.url, CLIENTS, think_s=THINK_S))
    traffic.start()
    try:
        _arm(service, case)
        with _deploying(service):
            struck = _strike(service, case)
            after = service.sees(lambda status: _has_settled(status, struck, number), f"all has settled after {struck}")
            seconds = time.monotonic() - struck.at
        traffic.goes_on(ANSWERS_AROUND)
    finally:
        report = traffic.stop()
    after = _at_rest(service, after)
    deployment = service.client.deployment(number)
    result = Result(case, struck, deployment.outcome, _who(before, after), seconds, report)
    result.problems.extend([*_compared(result), *contradictions(service, after)])
    return result


def _warmed(service: Service) -> Status:
    """One colour serves, the other is warm."""
    standby = other(service.settled().active)
    if service.status().workers[standby].state != "ready":
        service.does("start", standby)
    return service.sees(
        lambda status: is_settled(status) and status.workers[standby].state == "ready", "the standby is warm"
    )


def _arm(service: Service, case: Case) -> None:
    (service.folder / STRUCK).unlink(missing_ok=True)
    beside = service.folder / f"{ARMED}.new"
    beside.write_text(json.dumps({"victim": case.victim, "step": int(case.step)}))
    beside.replace(service.folder / ARMED)


@contextmanager
def _deploying(service: Service) -> Iterator[None]:
    """A deployment somebody waits for; who loses the supervisor has no last event."""

    def deploy() -> None:
        with suppress(SupervisorError):
            list(service.client.deploy(DeployRequest()))

    asking = threading.Thread(target=deploy, name="deploy")
    asking.start()
    try:
        yield
    finally:
        asking.join()


def _strike(service: Service, case: Case) -> Struck:
    """Wait until it happened. A supervisor is started again at once, as launchd or systemd would."""
    told = service.folder / STRUCK
    until(told.exists, f"{case.victim} is killed at step {case.step}")
    if case.victim is Victim.SUPERVISOR:
        service.exit_code()
        service.start_supervisor(service.config)
    return Struck.read(told)


def _has_settled(status: Status, struck: Struck, number: int) -> bool:
    """Nobody who was killed is shown any more, and the deployment is over."""
    shown = {status.pid, status.edge.pid, *(worker.pid for worker in status.workers.values())}
    return is_settled(status) and struck.pid not in shown


def _at_rest(service: Service, after: Status) -> Status:
    """The other worker may be starting still, or an earlier nginx's workers finishing."""
    return service.sees(
        lambda status: is_settled(status) and all(w.state in ("ready", "absent") for w in status.workers.values()),
        "both workers are ready or absent",
    )


def _who(before: Status, after: Status) -> str:
    return "old" if after.active is before.active else "new"


def _compared(result: Result) -> Iterator[str]:
    expected, traffic, struck = result.case.expected, result.traffic, result.struck
    if (result.outcome, result.serves) != (expected.outcome, expected.serves):
        yield f"expected {expected.outcome} and that the {expected.serves} colour serves"
    if result.seconds > CONVERGENCE_LIMIT_S:
        yield f"settled after {result.seconds:.1f} s"
    if traffic.failed != traffic.cut or traffic.refused:
        yield f"requests failed: {traffic.failures}"
    if traffic.cut and not expected.cuts:
        yield f"streams were cut: {traffic.failures}"
    if {*traffic.cut_by_color} - {str(struck.color)}:
        yield f"streams of {dict(traffic.cut_by_color)} were cut, but {struck.color} was killed"
    if not (traffic.streams and traffic.sent > traffic.streams):
        yield "there was no traffic of both kinds"


def markdown(results: list[Result]) -> str:
    rows = [HEADINGS, ("---",) * len(HEADINGS), *(result.row for result in results)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def main() -> int:
    results: list[Result] = []
    for victim in Victim:
        with faulty_service() as service:
            results += [run(service, case) for case in CASES if case.victim is victim]
            service.does("deploy", DeployRequest())
    sys.stdout.write(markdown(results) + "\n")
    return any(result.problems for result in results)


if __name__ == "__main__":
    sys.exit(main())
