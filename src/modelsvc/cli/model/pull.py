"""`modelsvc model pull`."""

import re
from pathlib import Path

import click

from modelsvc.cli import output
from modelsvc.cli.base import Command, Finite
from modelsvc.cli.model import Target
from modelsvc.cli.model.progress import choose_view
from modelsvc.store import Store
from modelsvc.store import source as sources
from modelsvc.store.patience import USUAL, Patience
from modelsvc.store.unfinished import unfinished
from supervisor.errors import InvalidRequest


def _checked_sum(_ctx: click.Context, _param: click.Parameter, value: str) -> str:
    """As `sha256sum` prints it."""
    digits = value.lower()
    if value and not re.fullmatch("[0-9a-f]{64}", digits):
        raise InvalidRequest(f"--sha256 takes 64 hexadecimal digits, not {value!r}", code="bad_checksum")
    return digits


@click.command(cls=Command)
@click.argument("source")
@click.option("--sha256", default="", metavar="HEX", callback=_checked_sum, help="What the file must be.")
@click.option("--name", metavar="NAME", help="What to call it in the store; default: as at the source.")
@click.option("--repair", is_flag=True, help="Read what is there already, and replace it if it is damaged.")
@click.option(
    "--tries",
    type=click.IntRange(1, 100),
    default=USUAL.tries,
    show_default=True,
    help="How often to try in a row without anything new.",
)
@click.option(
    "--stall",
    type=Finite(0, 3600, min_open=True),
    default=USUAL.stall_s,
    show_default=True,
    metavar="SECONDS",
    help="How long a server may send nothing.",
)
@click.pass_obj
def pull(target: Target, source: str, sha256: str, name: str | None, repair: bool, tries: int, stall: float) -> None:
    """Bring a model into the store.

    SOURCE is hf://owner/repo/file.gguf[@revision], https://…, a path, or an alias such as smollm2. What is there
    already is done at once. A pull that was interrupted goes on where it was. The file is checked before it is there
    for anyone: length, SHA-256 where it is known, and whether llama.cpp loads it. Plain http needs --sha256, but on
    this machine.

    \b
    Example:
      modelsvc model pull smollm2
      modelsvc model pull hf://owner/repo/model-q4_k_m.gguf@main --name mine
      modelsvc model pull https://example.org/model.gguf --sha256 9f86d0…
    """
    wanted = sources.parse(source)
    named = sources.name_for(wanted, name)
    from modelsvc.store.pull import Pull  # with what transfers it: other commands need not wait for that

    job = Pull(target.store, wanted, named, sha256, repair, Patience(tries, stall))
    with choose_view() as view:
        try:
            job.run(view.show)
        except KeyboardInterrupt:
            output.say(f"interrupted; {_what_is_left(target.store, wanted)}")
            raise


def _what_is_left(store: Store, source: sources.Source) -> str:
    if any(Path(left.folder).name == source.key and left.have_bytes for left in unfinished(store)):
        return "what came so far is kept, and the same command goes on from there"
    return "nothing of it was kept, and the same command begins anew"
