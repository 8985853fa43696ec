"""`modelsvc ctl memory`."""

import click

from modelsvc.cli import output
from modelsvc.cli.base import Command
from modelsvc.cli.ctl import Target
from modelsvc.cli.ctl.ledger import memory_lines


@click.command(cls=Command)
@click.pass_obj
def memory(target: Target) -> None:
    """Show what every process holds, what is shared, and what a standby would need.

    \b
    Example:
      modelsvc ctl memory
    """
    answer = target.client().memory()
    if output.json_wanted():
        output.emit(answer)
    else:
        click.echo("\n".join(memory_lines(answer)))
