"""`modelsvc ctl deploy`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec

from modelsvc.cli.base import Command
from modelsvc.cli.ctl import Target
from modelsvc.cli.ctl.operate import operate, patience_option
from modelsvc.cli.ctl.operations import in_place_option
from modelsvc.cli.ctl.request import deploy_request

Function = TypeVar("Function", bound=Callable[..., Any])


def change_options(command: Function) -> Function:
    """What a release may change in the one before it."""
    settings = click.option(
        "--set", "assignments", multiple=True, metavar="KEY=VALUE", help="A [model] setting to change; may be repeated."
    )
    model = click.option("--model", type=click.Path(path_type=Path), metavar="PATH", help="The GGUF file to serve.")
    return model(settings(command))


@click.command(cls=Command)
@change_options
@in_place_option
@click.option("--fast", is_flag=True, help="Only go to what was prewarmed; refused when nothing was.")
@patience_option
@click.pass_obj
def deploy(
    target: Target,
    model: Path | None,
    assignments: tuple[str, ...],
    in_place: bool,
    fast: bool,
    patience_s: float | None,
) -> int:
    """Replace the model, its settings or its code, under traffic.

    What is not given stays as it is. A release that fails to prove itself is rolled back (exit code 1); one that
    cannot fit is refused (exit code 4). With --json every event is one line; the last has the outcome.

    \b
    Example:
      modelsvc ctl deploy --model ~/models/b.gguf
      modelsvc ctl deploy --set model.context_tokens=8192 --set model.slots=2
    """
    if fast and (in_place or model or assignments):
        raise click.UsageError("--fast goes to what was prewarmed, as it is: leave --in-place, --model and --set.")
    request = msgspec.structs.replace(deploy_request(model, assignments), in_place=in_place, fast=fast)
    client = target.client(patience_s=patience_s)
    return operate("deploy", lambda: client.deploy(request))
