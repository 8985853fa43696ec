"""`modelsvc completion`: click's own completion of the command tree, and where it goes."""

from contextlib import suppress

import click
from click.shell_completion import CompletionItem, get_completion_class

from modelsvc.cli import output
from modelsvc.cli.base import Command
from modelsvc.store import Store
from supervisor.errors import SupervisorError
from supervisor.paths import state_paths
from supervisor.protocol import SETTABLE_KEYS

PROGRAM = "modelsvc"
VARIABLE = "_MODELSVC_COMPLETE"  # by which click is asked
INSTALL = {
    "bash": (
        "modelsvc completion bash > ~/.local/share/bash-completion/completions/modelsvc",
        "needs bash 4.4 and the package bash-completion; without that, source the file in ~/.bashrc",
    ),
    "zsh": (
        "modelsvc completion zsh > ~/.zfunc/_modelsvc",
        "with `fpath=(~/.zfunc $fpath); autoload -Uz compinit; compinit` in ~/.zshrc",
    ),
    "fish": (
        "modelsvc completion fish > ~/.config/fish/completions/modelsvc.fish",
        "fish finds it by itself",
    ),
}


@click.command(cls=Command)
@click.argument("shell", type=click.Choice(list(INSTALL)))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print a script that completes commands, options and values in bash, zsh or fish; its end says where to put it.

    \b
    Example:
      modelsvc completion bash > ~/.local/share/bash-completion/completions/modelsvc
    """
    text = script(shell, ctx.find_root().command)
    if output.json_wanted():
        output.emit({"shell": shell, "script": text, "install": INSTALL[shell][0]})
    else:
        click.echo(text, nl=False)


def script(shell: str, root: click.Command) -> str:
    """zsh wants `#compdef` in the first line, so that ours come last."""
    kind = get_completion_class(shell)
    assert kind is not None, f"click does not know {shell}"
    # Not source(): for bash it starts a bash to look at its version, and this one need not be the user's.
    source = kind.source_template % kind(root, {}, PROGRAM, VARIABLE).source_vars()
    if shell == "fish":  # what follows a comma in a name or its description is part of it
        source = source.replace('string split ","', 'string split --max 1 ","')
    notes = "\n".join(f"# {line}" for line in ("To install it:", *INSTALL[shell]))
    return f"{source.rstrip()}\n\n{notes}\n"


def settings(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Of `--set`: the keys."""
    return [CompletionItem(f"{key}=") for key in SETTABLE_KEYS if key.startswith(incomplete)]


def models(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Of `--model`: what the store has, else files."""
    names: set[str] = set()
    with suppress(SupervisorError):  # an error would be printed into the line that is being typed
        names = {entry.name for entry in Store(state_paths().models).entries()}
    known = [CompletionItem(name) for name in sorted(names) if incomplete and name.startswith(incomplete)]
    return known or [CompletionItem(incomplete, type="file")]
