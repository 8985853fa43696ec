"""`modelsvc ctl active`."""

import click

from modelsvc.cli import output
from modelsvc.cli.base import Command
from modelsvc.cli.ctl import Target
from modelsvc.cli.ctl.describe import not_serving
from supervisor.protocol import ExitCode


@click.command(cls=Command)
@click.pass_obj
def active(target: Target) -> int:
    """Print the colour that serves; exit 1, and print why, when none does.

    \b
    Example:
      modelsvc ctl active
    """
    status = target.client().status()
    why = not_serving(status)
    if output.json_wanted():
        output.emit({"active": status.active, "serves": not why, "reason": why})
    elif not why:
        click.echo(status.active)
    if why:
        output.say(why)
    return ExitCode.FAILED if why else ExitCode.DONE
