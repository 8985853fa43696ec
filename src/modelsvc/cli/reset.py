"""`modelsvc reset`: the service's state removed, so that the next start is a first one."""

import sys
from pathlib import Path

import click

from modelsvc.cli import output, removal
from modelsvc.cli.base import Command
from modelsvc.cli.daemon import daemon_socket
from modelsvc.cli.leftover import check_none_left
from modelsvc.cli.locked import holder
from modelsvc.cli.text import columns, mb
from supervisor.client import ABSENT, ControlClient
from supervisor.errors import InvalidRequest, Refused
from supervisor.paths import state_paths
from supervisor.protocol import Finished, Outcome

ANSWER_S = 5.0


@click.command(cls=Command)
@click.option("--models", is_flag=True, help="The model store, too.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.option("--config", type=click.Path(path_type=Path), metavar="FILE", help="The configuration that is used.")
def reset(models: bool, yes: bool, config: Path | None) -> None:
    """Stop the service, and remove its journal, releases, conversations, samples and logs; models stay.

    Only what modelsvc made is removed, links are not followed, and nothing is as long as something of it lives.

    \b
    Example:
      modelsvc reset
      modelsvc reset --models --yes
    """
    paths = state_paths()
    found = removal.sizes(paths, models=models)
    if found:
        _confirm(paths.root, found, yes)
        _shut_down(ControlClient(daemon_socket(config), ANSWER_S))
        check_none_left(paths, holder(paths))
        removal.remove(paths, models=models)
    _tell(paths.root, found)


def _confirm(root: Path, found: dict[Path, int], yes: bool) -> None:
    """Raises InvalidRequest where nobody can be asked, Refused when the answer is no."""
    if yes:
        return
    if output.json_wanted() or not sys.stdin.isatty():
        raise InvalidRequest(f"nothing in {root} was removed: nobody can be asked here, so say it with --yes")
    click.echo("\n".join([f"In {root}:", *columns([["", path.name, mb(size)] for path, size in found.items()])]))
    if not click.confirm("Stop the service and remove all of this?"):
        raise Refused("nothing was stopped or removed, as you said", code="declined")


def _shut_down(client: ControlClient) -> None:
    """Returns when the service is gone, there was none, or it does not answer. Raises Refused when it refuses."""
    try:
        for event in client.shutdown():
            if isinstance(event, Finished) and event.outcome is not Outcome.SUCCEEDED:
                why = f"the service was not stopped, and nothing removed: {event.reason}"
                raise Refused(why, code="left_behind")
    except ABSENT:
        return  # whether something lives all the same is looked at next


def _tell(root: Path, found: dict[Path, int]) -> None:
    if output.json_wanted():
        output.emit({"state_dir": str(root), "removed": [path.name for path in found], "bytes": sum(found.values())})
    elif found:
        click.echo(f"removed {mb(sum(found.values()))} from {root}; `modelsvc up` begins anew")
    else:
        click.echo(f"there is nothing of modelsvc in {root}")
