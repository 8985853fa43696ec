"""`modelsvc model verify`."""

from pathlib import Path

import click

from modelsvc.cli import output
from modelsvc.cli.base import Command
from modelsvc.cli.model import Target
from modelsvc.cli.model.describe import strangers_phrase
from modelsvc.cli.text import mb
from modelsvc.store import Entry
from modelsvc.store.entry import repair_command, short
from modelsvc.store.entry_folder import damage
from modelsvc.store.names import bare
from modelsvc.store.store import strangers
from supervisor.protocol import ExitCode


@click.command(cls=Command)
@click.argument("references", nargs=-1, metavar="[REFERENCE]...")
@click.pass_obj
def verify(target: Target, references: tuple[str, ...]) -> int:
    """Read models of the store, all without a REFERENCE, and compare them with their SHA-256.

    Exit code 1 when one is damaged. With --json: one line for each. Files that are not the store's are told.

    \b
    Example:
      modelsvc model verify
      modelsvc model verify smollm2
    """
    store = target.store
    entries = [store.find(reference) for reference in references] if references else store.entries()
    damages = [_report(entry, damage(entry)) for entry in entries]
    damages += [] if references else [_report_broken(folder) for folder in store.broken()]
    return ExitCode.FAILED if any(damages) else ExitCode.DONE


def _report(entry: Entry, problem: str) -> bool:
    """Tell of one at once, for the next may take long; whether it is damaged."""
    beside = strangers(entry)
    if output.json_wanted():
        told = {"name": entry.name, "sha256": entry.sha256, "path": str(entry.path)}
        output.emit({**told, "damage": problem, "strangers": beside})
    elif not problem:
        click.echo(f"{bare(entry.name)} ({short(entry.sha256)}, {mb(entry.size_bytes)}) is sound")
    if problem:
        mend = f"replace it: {repair_command(entry)}, and deploy it if it is served"
        output.say(f"{bare(entry.name)} ({short(entry.sha256)}) is damaged: {problem}; {mend}")
    if beside:
        output.say(f"{entry.path.parent} {strangers_phrase(beside)}: move it away if you need the room")
    return bool(problem)


def _report_broken(folder: Path) -> bool:
    problem = "holds no model file that is on record there"
    if output.json_wanted():
        output.emit({"name": "", "sha256": folder.name, "path": str(folder), "damage": problem, "strangers": []})
    output.say(f"{folder} {problem}: pull the model again, which leaves what is there alone")
    return True
