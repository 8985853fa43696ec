"""`modelsvc monitor up|down|status|targets|check`."""

from collections.abc import Sequence

import click
import msgspec

from modelsvc.cli import output
from modelsvc.cli.base import Command
from modelsvc.cli.ctl import Target
from modelsvc.cli.ctl.operate import patience_option
from modelsvc.cli.monitor.describe import is_well, status_lines, target_lines
from supervisor.protocol import ExitCode


def _show(answer: msgspec.Struct, lines: Sequence[str]) -> None:
    if output.json_wanted():
        output.emit(answer)
    else:
        click.echo("\n".join(lines))


@click.command(cls=Command)
@patience_option
@click.pass_obj
def up(target: Target, patience_s: float | None) -> None:
    """Start Prometheus beside the service, and have it started again whenever it should run.

    It is refused when its memory would not fit into memory.budget_gb beside a deployment.

    \b
    Example:
      modelsvc monitor up
    """
    answer = target.client(patience_s=patience_s).monitor_up()
    _show(answer, status_lines(answer))


@click.command(cls=Command)
@patience_option
@click.pass_obj
def down(target: Target, patience_s: float | None) -> None:
    """Stop Prometheus; its samples stay.

    \b
    Example:
      modelsvc monitor down
    """
    answer = target.client(patience_s=patience_s).monitor_down()
    _show(answer, status_lines(answer))


@click.command(cls=Command)
@click.pass_obj
def status(target: Target) -> None:
    """Show whether Prometheus runs, what it holds, and which alerts fire.

    \b
    Example:
      modelsvc monitor status
    """
    answer = target.client().monitor()
    _show(answer, status_lines(answer))


@click.command(cls=Command)
@click.pass_obj
def targets(target: Target) -> int:
    """Show whom Prometheus scrapes, and how that goes.

    The exit code is 1 when one is down that should be up. A colour that nobody wants may be down.

    \b
    Example:
      modelsvc monitor targets
    """
    answer = target.client().targets()
    _show(answer, target_lines(answer.targets))
    return ExitCode.DONE if all(map(is_well, answer.targets)) else ExitCode.FAILED


@click.command(cls=Command)
@click.pass_obj
def check(target: Target) -> int:
    """Have promtool check the configuration and the rules that Prometheus gets.

    \b
    Example:
      modelsvc monitor check
    """
    answer = target.client().monitor_check()
    _show(answer, [" ".join(answer.command), answer.output])
    return ExitCode.DONE if answer.passed else ExitCode.FAILED
