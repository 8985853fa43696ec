"""`modelsvc model inspect`."""

import os
from pathlib import Path

import click
import msgspec

from modelsvc.cli import output
from modelsvc.cli.base import Command
from modelsvc.cli.ctl.ledger import account_lines, forecast_lines
from modelsvc.cli.model import Target
from modelsvc.cli.model.describe import facts_lines
from modelsvc.cli.model.outlook import Outlook, outlook
from modelsvc.store import Store
from modelsvc.store.source import local_path
from supervisor import config, offline
from supervisor.errors import InvalidRequest


@click.command(cls=Command)
@click.argument("model", metavar="REFERENCE|PATH")
@click.pass_obj
def inspect(target: Target, model: str) -> None:
    """Show what is in a model, and what memory it would need with the configured settings.

    While the service runs, the account tells whether it fits beside what runs; else, whether it fits at all.

    \b
    Example:
      modelsvc model inspect smollm2
      modelsvc model inspect ~/models/b.gguf
    """
    path = _path_of(target.store, model)
    facts, settings = offline.facts(path), config.load(target.config_file)
    found = outlook(target, path, facts, settings)
    if output.json_wanted():
        output.emit({"path": str(path), "facts": facts, **msgspec.to_builtins(found)})
        return
    click.echo("\n".join([str(path), *facts_lines(facts), *_outlook_lines(found)]))


def _path_of(store: Store, model: str) -> Path:
    """A file as it is named, else one of the store. Raises InvalidRequest for a path where there is none, NotFound."""
    path = local_path(model)
    if os.path.isfile(path):  # noqa: PTH113  # Path's raises for a long name
        return path
    if os.sep in model:  # which no name in the store has
        raise InvalidRequest(f"there is no file {path}: check the path", code="no_model_file")
    return store.find(model).path


def _outlook_lines(found: Outlook) -> list[str]:
    where = "beside what runs" if found.running else "alone, for no service runs"
    return [
        f"settings: {', '.join(f'{key} {value}' for key, value in found.settings.items())}",
        *forecast_lines(found.forecast),
        f"memory, {where}:",
        *account_lines(found.account),
        f"it would not fit: {found.reason}" if found.reason else "it fits",
    ]
