"""`modelsvc model remove`."""

import click

from modelsvc.cli import output
from modelsvc.cli.base import Command
from modelsvc.cli.model import Target
from modelsvc.cli.model.describe import strangers_phrase
from modelsvc.cli.model.needed import needed_by
from modelsvc.cli.text import mb
from modelsvc.store.entry import report, short
from modelsvc.store.names import bare
from modelsvc.store.store import strangers
from modelsvc.store.unfinished import clean
from supervisor import offline
from supervisor.errors import Refused


@click.command(cls=Command)
@click.argument("reference", required=False)
@click.option("--partial", is_flag=True, help="Remove what unfinished pulls left, but for those that run.")
@click.pass_obj
def remove(target: Target, reference: str | None, partial: bool) -> None:
    """Remove a model from the store; refused while the service needs it.

    It needs the models of the release that serves, of the one a rollback goes to, of a prewarmed one, of one that is
    being deployed, and the configured model.path.

    \b
    Example:
      modelsvc model remove old-model-q4_k_m
      modelsvc model remove --partial
    """
    if partial == (reference is not None):
        raise click.UsageError("give a REFERENCE or --partial, one of them.")
    if reference is None:
        _remove_partial(target)
    else:
        _remove_model(target, reference)


def _remove_model(target: Target, reference: str) -> None:
    entry = target.store.find(reference)
    if uses := needed_by(target, [entry]).get(entry.sha256):
        raise Refused(
            f"{bare(entry.name)} ({short(entry.sha256)}) is needed by {', '.join(uses)}: deploy another model first"
            " (twice, where a rollback goes to this one), or name another in the configuration",
            code="model_needed",
        )
    if offline.is_undecided(target.paths):
        raise Refused(
            "a deployment is under way that may need it: wait for its end (`modelsvc ctl status`); where the service"
            " does not run any more, start it once (`modelsvc up`)",
            code="deployment_running",
        )
    beside = strangers(entry)
    target.store.remove(entry)
    if output.json_wanted():
        output.emit({"removed": report(entry), "strangers": beside})
        return
    click.echo(f"removed {bare(entry.name)} ({short(entry.sha256)}), {mb(entry.size_bytes)}")
    if beside:
        output.say(f"{entry.path.parent} {strangers_phrase(beside)}: look at it, and remove it if you do not need it")


def _remove_partial(target: Target) -> None:
    removed = clean(target.store)
    freed = sum(left.have_bytes for left in removed)
    if output.json_wanted():
        output.emit({"removed": removed, "freed_bytes": freed})
    else:
        click.echo(f"removed {len(removed)} unfinished pull(s), {mb(freed)}")
