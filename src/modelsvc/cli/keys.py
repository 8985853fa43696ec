"""`modelsvc keys`: who may ask, when `security.api_keys_file` says that not everyone may."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click

from modelsvc import keyfile
from modelsvc.cli import output
from modelsvc.cli.base import Command, LazyGroup
from supervisor.errors import InvalidRequest
from supervisor.paths import find_config, keys_file

_HERE = "modelsvc.cli.keys"


@dataclass(frozen=True)
class Target:
    """Which file to use. Resolved only when asked, so that `--help` works under a broken configuration."""

    file: Path | None = None
    config: Path | None = None

    def path(self) -> Path:
        return self.file.absolute() if self.file else keys_file(find_config(self.config))


@click.group(
    cls=LazyGroup,
    lazy={"add": f"{_HERE}:add", "list": f"{_HERE}:list_keys", "remove": f"{_HERE}:remove"},
)
@click.option("--file", type=click.Path(path_type=Path), metavar="PATH", help="The file of keys to use.")
@click.option("--config", type=click.Path(path_type=Path), metavar="FILE", help="The configuration that names it.")
@click.pass_context
def keys(ctx: click.Context, file: Path | None, config: Path | None) -> None:
    """Make and revoke API keys; a running service takes it up at once.

    \b
    Example:
      modelsvc keys add phone
      modelsvc keys remove phone
    """
    ctx.obj = Target(file, config)


@click.command(cls=Command)
@click.argument("name")
@click.pass_obj
def add(target: Target, name: str) -> None:
    """Make a key and print it, this once: the file keeps only its hash.

    Conversations belong to the key's NAME: a later key of the same name sees them again.

    \b
    Example:
      modelsvc keys add phone
    """
    path = target.path()
    with _translated():
        key = keyfile.add(path, name)
    if output.json_wanted():
        output.emit({"name": name, "key": key, "file": str(path)})
    else:
        click.echo(key)
        output.say(f"keep it now, it cannot be shown again; {path} has its hash, under the name {name}")


@click.command("list", cls=Command)
@click.pass_obj
def list_keys(target: Target) -> None:
    """Show the names of the keys.

    \b
    Example:
      modelsvc keys list
    """
    path = target.path()
    with _translated():
        names = sorted(keyfile.read(path))
    if output.json_wanted():
        output.emit({"file": str(path), "names": names})
    else:
        click.echo("\n".join(names) or f"no keys in {path}: nobody may ask")


@click.command(cls=Command)
@click.argument("name")
@click.pass_obj
def remove(target: Target, name: str) -> None:
    """Revoke a key.

    \b
    Example:
      modelsvc keys remove phone
    """
    path = target.path()
    with _translated():
        keyfile.remove(path, name)
    if output.json_wanted():
        output.emit({"removed": name, "file": str(path)})
    else:
        click.echo(f"removed {name} from {path}")


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except keyfile.BadKeys as error:
        raise InvalidRequest(str(error), code="bad_keys") from error
