"""`modelsvc ctl logs`."""

import time
from collections.abc import Iterable, Iterator
from contextlib import suppress

import click

from modelsvc.cli import output
from modelsvc.cli.base import Command
from modelsvc.cli.ctl import Target
from modelsvc.cli.ctl.log_lines import merged, shown
from supervisor.client import ABSENT, ControlClient
from supervisor.protocol import LogLines

SOURCES = ("supervisor", "blue", "green", "edge", "prometheus")
ALL = "all"
POLL_S = 0.3


@click.command(cls=Command)
@click.argument("source", default="supervisor", type=click.Choice([*SOURCES, ALL]))
@click.option("-n", "--lines", default=100, show_default=True, type=click.IntRange(1, 10_000), help="How many lines.")
@click.option("-f", "--follow", is_flag=True, help="Go on with what is written from now on, until Ctrl-C.")
@click.pass_obj
def logs(target: Target, source: str, lines: int, follow: bool) -> None:
    """Show the last log lines of the supervisor, a worker, the edge or Prometheus, or of all by time.

    With --follow it goes on when a log is rotated and when the daemon is started anew. With --json each answer is one
    line.

    \b
    Example:
      modelsvc ctl logs green -n 20
      modelsvc ctl logs all --follow
    """
    client = target.client()
    found = [client.logs(name, lines) for name in (SOURCES if source == ALL else (source,))]
    _show(found, lines, prefixed=source == ALL)
    if follow:
        for news in _follow(client, found):
            _show(news, None, prefixed=source == ALL)


def _show(found: Iterable[LogLines], limit: int | None, *, prefixed: bool) -> None:
    """At most `limit` lines of all."""
    if output.json_wanted():
        for each in found:
            output.emit(each)
        return
    by_time = merged({each.source: each.lines for each in found})
    shorter = by_time[-limit:] if limit else by_time
    for line in shown(shorter) if prefixed else [each.text for each in shorter]:
        click.echo(line)


def _follow(client: ControlClient, found: Iterable[LogLines]) -> Iterator[list[LogLines]]:
    """What is new in each look, over the daemon's restarts, as long as somebody reads it."""
    places = {each.source: each.place for each in found}
    while not output.reader_left():
        try:
            news = [client.logs_after(source, place) for source, place in places.items()]
        except ABSENT:
            _wait_for(client)
            continue
        places = {each.source: each.place for each in news}
        yield [each for each in news if each.lines]
        if not any(each.lines for each in news):
            time.sleep(POLL_S)


def _wait_for(client: ControlClient) -> None:
    output.say("the daemon went away: waiting for it to come back")
    while not output.reader_left():
        time.sleep(POLL_S)
        with suppress(*ABSENT):
            client.status()
            output.say("the daemon is back")
            return
