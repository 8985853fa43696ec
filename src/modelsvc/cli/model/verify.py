"""`modelsvc model verify`."""

import shlex

import click

from modelsvc.cli import output
from modelsvc.cli.base import Command
from modelsvc.cli.model import Target
from modelsvc.cli.text import mb
from modelsvc.store import Entry
from modelsvc.store.entry import short
from modelsvc.store.names import bare
from supervisor.protocol import ExitCode


@click.command(cls=Command)
@click.argument("references", nargs=-1, metavar="[REFERENCE]...")
@click.pass_obj
def verify(target: Target, references: tuple[str, ...]) -> int:
    """Read models of the store, all without a REFERENCE, and compare them with their SHA-256.

    Exit code 1 when one is damaged. With --json: one line for each.

    \b
    Example:
      modelsvc model verify
      modelsvc model verify smollm2
    """
    store = target.store
    entries = [store.find(reference) for reference in references] if references else store.entries()
    damages = [_report(entry, store.damage(entry)) for entry in entries]
    strangers = [] if references else [_report_stranger(folder.name) for folder in store.broken()]
    return ExitCode.FAILED if any([*damages, *strangers]) else ExitCode.DONE


def _report(entry: Entry, damage: str) -> bool:
    """Tell of one at once, for the next may take long; whether it is damaged."""
    if output.json_wanted():
        output.emit({"name": entry.name, "sha256": entry.sha256, "path": str(entry.path), "damage": damage})
    elif not damage:
        click.echo(f"{bare(entry.name)} ({short(entry.sha256)}, {mb(entry.size_bytes)}) is sound")
    if damage:
        output.say(f"{bare(entry.name)} ({short(entry.sha256)}) is damaged: {damage}; {_mend(entry)}")
    return bool(damage)


def _mend(entry: Entry) -> str:
    source = shlex.quote(entry.origin.source) if entry.origin else "SOURCE"
    return f"replace it: modelsvc model pull {source} --repair, and deploy it if it is served"


def _report_stranger(name: str) -> bool:
    problem = "holds no model file, or several"
    if output.json_wanted():
        output.emit({"name": "", "sha256": name, "path": "", "damage": problem})
    output.say(f"the folder {name} of the store {problem}: move it away, and pull the model again")
    return True
