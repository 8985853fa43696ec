"""`modelsvc ctl logs`."""

import click

from modelsvc.cli import output
from modelsvc.cli.base import Command
from modelsvc.cli.ctl import Target

SOURCES = ("supervisor", "blue", "green", "edge", "prometheus")


@click.command(cls=Command)
@click.argument("source", default="supervisor", type=click.Choice(SOURCES))
@click.option("-n", "--lines", default=100, show_default=True, type=click.IntRange(1, 10_000), help="How many lines.")
@click.pass_obj
def logs(target: Target, source: str, lines: int) -> None:
    """Show the last log lines of the supervisor, a worker, the edge or Prometheus.

    \b
    Example:
      modelsvc ctl logs green -n 20
    """
    answer = target.client().logs(source, lines)
    if output.json_wanted():
        output.emit(answer)
        return
    for line in answer.lines:
        click.echo(line)
