"""`modelsvc model list`."""

from collections.abc import Mapping, Sequence

import click
import msgspec

from modelsvc.cli import output
from modelsvc.cli.base import Command
from modelsvc.cli.model import Target
from modelsvc.cli.model.describe import list_lines, unfinished_lines
from modelsvc.cli.model.needed import needed_by
from modelsvc.store import Entry
from modelsvc.store.entry import report
from modelsvc.store.unfinished import unfinished
from supervisor.errors import JournalError


@click.command("list", cls=Command)
@click.pass_obj
def list_models(target: Target) -> None:
    """Show the models of the store, which releases need them, and what unfinished pulls left.

    \b
    Example:
      modelsvc model list
    """
    entries, left = target.store.entries(), unfinished(target.store)
    needed = _needed(target, entries)
    if output.json_wanted():
        models = [
            {
                **msgspec.to_builtins(report(entry)),
                "quantization": entry.origin.quantization,
                "needed_by": None if needed is None else list(needed.get(entry.sha256, ())),
            }
            for entry in entries
        ]
        output.emit({"folder": str(target.store.folder), "models": models, "unfinished": left})
        return
    lines = list_lines(entries, needed) if entries else [f"no models in {target.store.folder}: `modelsvc model pull`"]
    click.echo("\n".join([*lines, *unfinished_lines(left)]))


def _needed(target: Target, entries: Sequence[Entry]) -> Mapping[str, Sequence[str]] | None:
    """None where the journal cannot be read: what there is can be told all the same."""
    try:
        return needed_by(target, entries)
    except JournalError as error:
        output.say(f"what needs these models cannot be told: {error.message}")
        return None
