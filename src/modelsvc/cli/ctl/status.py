"""`modelsvc ctl status`."""

import click

from modelsvc.cli import output
from modelsvc.cli.base import Command
from modelsvc.cli.ctl import Target
from modelsvc.cli.ctl.describe import status_lines


@click.command(cls=Command)
@click.pass_obj
def status(target: Target) -> None:
    """Show what serves, what it costs and what is going on.

    \b
    Example:
      modelsvc ctl status
      modelsvc ctl status --json
    """
    answer = target.client().status()
    if output.json_wanted():
        output.emit(answer)
    else:
        click.echo("\n".join(status_lines(answer)))
