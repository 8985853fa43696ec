"""How commands speak: results on stdout, as text or JSON; an error as one line on stderr."""

import select
import sys
from contextlib import suppress
from typing import Any

import click

from modelsvc.cli.streams import OutputFailed, abandon_stdout
from supervisor.protocol import ErrorBody, ErrorReply, encode_text

_JSON = "modelsvc.json"


def want_json(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    """Callback of `--json`, which counts on a group as well as on its command."""
    if value:
        ctx.meta[_JSON] = True


def json_wanted() -> bool:
    return bool(click.get_current_context().meta.get(_JSON))


def emit(message: Any) -> None:
    """Print one JSON line, at once: a reader at the other end of a pipe acts on it."""
    click.echo(encode_text(message, sys.stdout.encoding))


def reader_left() -> bool:
    """Whether stdout is a pipe that nobody reads any more, as `| head` leaves it."""
    with suppress(OSError, ValueError):  # no file of the system
        poll = select.poll()
        poll.register(sys.stdout.fileno(), 0)
        return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))
    return False


def say(line: str) -> None:
    """One line for a person, on stderr."""
    click.echo(f"modelsvc: {line}", err=True)


def give_up(error: OutputFailed) -> None:
    """Say once why stdout is not written to any more, but to whom nobody listens."""
    abandon_stdout()
    if not error.reader_left:
        say(str(error))


def report(error: ErrorBody, as_json: bool) -> None:
    """Tell an error: to people on stderr, to programs on stdout too. That it happened outweighs that it cannot be."""
    say(error.message)
    if as_json:
        try:
            emit(ErrorReply(error=error))
        except OutputFailed as failed:
            give_up(failed)
