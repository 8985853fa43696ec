"""`modelsvc ctl explain`."""

import click

from modelsvc.cli import output
from modelsvc.cli.base import Command
from modelsvc.cli.ctl import Target
from modelsvc.cli.ctl.story import story_lines


@click.command(cls=Command)
@click.argument("number", type=click.IntRange(min=1), metavar="ID")
@click.pass_obj
def explain(target: Target, number: int) -> None:
    """Tell a deployment from what was asked to what came of it, and what to do next.

    \b
    Example:
      modelsvc ctl explain 4
    """
    answer = target.client().explanation(number)
    if output.json_wanted():
        output.emit(answer)
    else:
        click.echo("\n".join(story_lines(answer)))
