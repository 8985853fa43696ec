"""`modelsvc ctl events`."""

import time
from collections.abc import Iterator

import click

from modelsvc.cli import output
from modelsvc.cli.base import Command
from modelsvc.cli.ctl import Target
from modelsvc.cli.ctl.happening import happening_line
from supervisor.client import ABSENT, ControlClient, Following
from supervisor.protocol import happenings as hp

AGAIN_S = 0.5


@click.command(cls=Command)
@click.option("--after", type=click.IntRange(min=0), metavar="ID", help="Begin after this event; 0: all kept.")
@click.option("--event", "names", multiple=True, type=click.Choice(hp.NAMES), metavar="NAME", help="Only these.")
@click.option("--count", type=click.IntRange(min=1), metavar="N", help="End after so many.")
@click.pass_obj
def events(target: Target, after: int | None, names: tuple[str, ...], count: int | None) -> None:
    """Follow what happens, until Ctrl-C: one line each, one JSON object each with --json.

    It goes on when the daemon is started anew. NAME is an event's name, as in docs/api.md; several may be named.

    \b
    Example:
      modelsvc ctl events
      modelsvc ctl events --event deployment_ended --count 1 --json
    """
    shown = 0
    for happening in _wanted(_follow(target.client(), after), names):
        if output.json_wanted():
            output.emit(happening)
        else:
            click.echo(happening_line(happening))
        shown += not isinstance(happening, hp.EventsMissed)
        if shown == count:
            return


def _wanted(happenings: Iterator[hp.Happening], names: tuple[str, ...]) -> Iterator[hp.Happening]:
    """That some are missing matters whatever was asked for."""
    return (each for each in happenings if not names or hp.name_of(each) in names or isinstance(each, hp.EventsMissed))


def _follow(client: ControlClient, after: int | None) -> Iterator[hp.Happening]:
    """Over the daemon's restarts; only at first it has to be there."""
    following = client.follow(after)
    while True:
        yield from following
        output.say("the daemon went away: waiting for it to come back")
        following = _again(client, following.place)
        output.say("the daemon is back")


def _again(client: ControlClient, place: int | None) -> Following:
    while True:
        try:
            return client.follow(place)
        except ABSENT:
            time.sleep(AGAIN_S)
