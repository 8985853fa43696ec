"""`modelsvc doctor`."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import click
import psutil

from modelsvc.cli import output
from modelsvc.cli.base import Command, wait_for_threads
from modelsvc.doctor.checks import CHECKS
from modelsvc.doctor.examination import SURVEY_S, examine, is_complete, survey_within
from modelsvc.doctor.findings import AreaReport, Finding, Report
from modelsvc.doctor.situation import survey
from supervisor.protocol import ExitCode

LEVEL_WIDTH = 7
INDENT = " " * (LEVEL_WIDTH + 2)


@click.command(cls=Command)
@click.option("--config", type=click.Path(path_type=Path), metavar="FILE", help="The configuration file to look at.")
@click.option("--deep", is_flag=True, help="Read every byte of the model store too; that takes a while.")
def doctor(config: Path | None, deep: bool) -> int:
    """Look at everything the service needs, and say how to mend what is wrong.

    It changes nothing, and works while the service runs and while it does not. Exit code 0 when nothing failed,
    warnings allowed; 1 when something did; 5 when the configuration could not even be looked for in time.
    docs/doctor.md tells of every finding.

    \b
    Example:
      modelsvc doctor
      modelsvc doctor --json
    """
    wait_for_threads(False)  # one that hangs would keep the interpreter from ending, and Ctrl-C as well
    report = examine(survey_within(SURVEY_S, lambda: survey(config, deep)), CHECKS)
    if is_complete(report):
        wait_for_threads(True)
    else:
        _end_children()
    if output.json_wanted():
        output.emit(report)
    else:
        click.echo("\n".join(report_lines(report)))
    return ExitCode.FAILED if report.failures else ExitCode.DONE


def _end_children() -> None:
    """What checks that were given up have asked, and would leave behind."""
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            child.kill()


def report_lines(report: Report) -> list[str]:
    """Everything that was found, what is wrong with its mend under it, and the sum."""
    where = f"modelsvc {report.version}, configuration {report.config or 'of defaults'}, state in {report.state_dir}"
    found = [line for area in report.areas for line in _area_lines(area)]
    return [where, *found, f"{report.failures} failure(s), {report.warnings} warning(s)"]


def _area_lines(area: AreaReport) -> Iterator[str]:
    for finding in area.findings:
        yield from _lines(area.area, finding)


def _lines(area: str, finding: Finding) -> Iterator[str]:
    first, *more = finding.seen.splitlines()
    yield f"{finding.level:<{LEVEL_WIDTH}}  {area}: {first}"
    yield from (f"{INDENT}{line}" for line in more)
    if finding.mend:
        yield f"{INDENT}-> {finding.mend}"
