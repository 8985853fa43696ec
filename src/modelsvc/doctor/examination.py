"""Runs the checks: each in a thread of its own, none for longer than its time, none spoiling another's.

A check that hangs is left behind: who calls this must end the process without waiting for threads (`process_exit`), for
what a check runs in a pool, such as the hash of a model, is joined by the interpreter even so.
"""

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from traceback import extract_tb

from modelsvc import __version__
from modelsvc.doctor.findings import AreaReport, Finding, Level, Report, count, found
from modelsvc.doctor.situation import Situation
from supervisor.errors import DeadlineExceeded
from supervisor.offload import in_thread

SURVEY_S = 20.0  # for the configuration's file alone
PATIENCE_S = 90.0  # a model file is looked into for 60 s at most
TIMED_OUT = "check_timed_out"
DEEP_PATIENCE_S = 3600.0  # every byte of the store is read


@dataclass(frozen=True)
class Check:
    """`look` yields what it finds; what it found before it failed counts."""

    area: str
    look: Callable[[Situation], Iterable[Finding]]


@dataclass
class _Run:
    check: Check
    findings: list[Finding] = field(default_factory=list)

    def begin(self, situation: Situation) -> threading.Thread:
        thread = threading.Thread(target=self._look, args=(situation,), name=self.check.area, daemon=True)
        thread.start()
        return thread

    def _look(self, situation: Situation) -> None:
        try:
            for finding in self.check.look(situation):
                self.findings.append(finding)
        except Exception as error:  # whatever it is, the other checks go on
            self.findings.append(_crash(self.check.area, error))


def survey_within(patience_s: float, look: Callable[[], Situation]) -> Situation:
    """What `look` finds. Raises what it raises, or DeadlineExceeded when it hangs."""
    try:
        return in_thread(look).result(patience_s)
    except TimeoutError:
        raise DeadlineExceeded(
            f"the configuration could not be looked for within {patience_s:g} s: see whether a disk or a network folder"
            " hangs (`df`), or name another file with --config"
        ) from None


def examine(situation: Situation, checks: Sequence[Check], patience_s: float | None = None) -> Report:
    """Everything the checks find, in their order."""
    patience_s = patience_s or (DEEP_PATIENCE_S if situation.deep else PATIENCE_S)
    runs = [_Run(check) for check in checks]
    threads = [run.begin(situation) for run in runs]
    deadline = time.monotonic() + patience_s
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    areas = [_report(run, thread.is_alive(), patience_s) for run, thread in zip(runs, threads, strict=True)]
    return Report(
        version=__version__,
        config=str(situation.config_path) if situation.config_path else None,
        state_dir=str(situation.paths.root),
        failures=count(areas, Level.FAILURE),
        warnings=count(areas, Level.WARNING),
        areas=areas,
    )


def is_complete(report: Report) -> bool:
    """Whether no check was left behind."""
    return all(finding.code != TIMED_OUT for area in report.areas for finding in area.findings)


def _report(run: _Run, unfinished: bool, patience_s: float) -> AreaReport:
    late = [_timed_out(run.check.area, patience_s)] if unfinished else []
    return AreaReport(area=run.check.area, findings=[*run.findings, *late])


def _crash(area: str, error: Exception) -> Finding:
    *_, last = extract_tb(error.__traceback__)
    where = f"{last.filename}:{last.lineno}"
    return found(
        "check_crashed",
        f"the check of {area} ended by {type(error).__name__}: {error} ({where})",
        "the other findings hold; report this line as a defect of modelsvc",
    )


def _timed_out(area: str, patience_s: float) -> Finding:
    return found(
        TIMED_OUT,
        f"the check of {area} was not done after {patience_s:g} s",
        "see whether a disk or a network folder hangs (`df`), and run it again; for a large file --deep has more time",
    )
