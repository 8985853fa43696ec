"""`modelsvc chat`."""

import secrets
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

import click

from modelsvc.cli import output
from modelsvc.cli.base import MAX_S, Command, Finite
from modelsvc.cli.conversation import Conversation
from modelsvc.cli.edge import edge_url, key_option
from supervisor.errors import SupervisorError

PROMPT = "you> "
FORGET_S = 5.0  # whoever pressed Ctrl-C because nothing answers waits no longer than this


@click.command(cls=Command)
@click.argument("message", nargs=-1)
@click.option("--user", metavar="ID", help="Remember the conversation under this name.")
@click.option("--url", metavar="URL", help="Where the service listens; else the daemon or the configuration says it.")
@click.option("--max-tokens", type=click.IntRange(min=1), help="Longest answer.")
@click.option("--temperature", type=Finite(min=0), help="0 for the likeliest words; higher for variety.")
@click.option("--no-stream", is_flag=True, help="Wait for the whole answer.")
@click.option(
    "--timeout",
    "timeout_s",
    default=300.0,
    show_default=True,
    type=Finite(min=0, min_open=True, max=MAX_S),
    metavar="SECONDS",
    help="Longest silence to wait through.",
)
@key_option
def chat(
    message: tuple[str, ...],
    user: str | None,
    url: str | None,
    max_tokens: int | None,
    temperature: float | None,
    no_stream: bool,
    timeout_s: float,
    key: str | None,
) -> None:
    """Talk to the model: one MESSAGE, or without one a conversation until Ctrl-D.

    \b
    Example:
      modelsvc chat --user ada "Hello, my name is Ada"
      modelsvc chat --user ada
    """
    given = {"max_tokens": max_tokens, "temperature": temperature}
    options = {key: value for key, value in given.items() if value is not None}
    conversation = Conversation(edge_url(url), user, not no_stream, options, timeout_s, key)
    if message:
        _turn(conversation, " ".join(message))
    else:
        _talk(conversation)


def _talk(conversation: Conversation) -> None:
    """A conversation needs a memory; one without a user's name leaves none behind."""
    if conversation.user:
        _turns(conversation)
        return
    anonymous = replace(conversation, user=f"cli-{secrets.token_hex(8)}")
    try:
        _turns(anonymous)
    finally:
        with suppress(SupervisorError):
            replace(anonymous, timeout_s=min(FORGET_S, anonymous.timeout_s)).forget()


def _turns(conversation: Conversation) -> None:
    for line in _lines():
        try:
            _turn(conversation, line)
        except SupervisorError as error:
            if not sys.stdin.isatty():
                raise
            output.say(error.message)


def _lines() -> Iterator[str]:
    """What the user types, line by line, until Ctrl-D; piped input works too."""
    if not sys.stdin.isatty():
        yield from filter(None, (raw.decode(errors="replace").strip() for raw in sys.stdin.buffer))
        return
    import readline  # noqa: F401 - gives input() its editing and history

    while True:
        try:
            line = input(PROMPT).strip()
        except EOFError:
            click.echo()
            return
        if line:
            yield line


def _turn(conversation: Conversation, message: str) -> None:
    if output.json_wanted():
        output.emit(conversation.ask(message, _silent))
    else:
        conversation.ask(message, _show)
        click.echo()


def _show(text: str) -> None:
    click.echo(text, nl=False)


def _silent(_text: str) -> None:
    pass
