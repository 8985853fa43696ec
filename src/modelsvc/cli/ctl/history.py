"""`modelsvc ctl history`."""

import click

from modelsvc.cli import output
from modelsvc.cli.base import Command
from modelsvc.cli.ctl import Target
from modelsvc.cli.ctl.describe import deployment_lines, history_lines
from supervisor.protocol import History


@click.command(cls=Command)
@click.argument("number", required=False, type=click.IntRange(min=1), metavar="[ID]")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 1000), help="How many to list.")
@click.pass_obj
def history(target: Target, number: int | None, limit: int) -> None:
    """List the latest deployments, or show one with its steps.

    \b
    Example:
      modelsvc ctl history --limit 5
      modelsvc ctl history 4
    """
    if number is None:
        _list(target, limit)
    else:
        _show(target, number)


def _list(target: Target, limit: int) -> None:
    deployments = target.client().history(limit)
    if output.json_wanted():
        output.emit(History(deployments=deployments))
    else:
        click.echo("\n".join(history_lines(deployments)))


def _show(target: Target, number: int) -> None:
    deployment = target.client().deployment(number)
    if output.json_wanted():
        output.emit(deployment)
    else:
        click.echo("\n".join(deployment_lines(deployment)))
