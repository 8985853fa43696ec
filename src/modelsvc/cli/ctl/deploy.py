"""`modelsvc ctl deploy`."""

from pathlib import Path

import click

from modelsvc.cli.base import Command
from modelsvc.cli.ctl import Target
from modelsvc.cli.ctl.operate import operate, patience_option
from modelsvc.cli.ctl.request import deploy_request


@click.command(cls=Command)
@click.option("--model", type=click.Path(path_type=Path), metavar="PATH", help="The GGUF file to serve.")
@click.option(
    "--set", "assignments", multiple=True, metavar="KEY=VALUE", help="A [model] setting to change; may be repeated."
)
@patience_option
@click.pass_obj
def deploy(target: Target, model: Path | None, assignments: tuple[str, ...], patience_s: float | None) -> int:
    """Replace the model, its settings or its code, under traffic.

    What is not given stays as it is. A release that fails to prove itself is rolled back (exit code 1); one that
    cannot fit is refused (exit code 4). With --json every event is one line; the last has the outcome.

    \b
    Example:
      modelsvc ctl deploy --model ~/models/b.gguf
      modelsvc ctl deploy --set model.context_tokens=8192 --set model.slots=2
    """
    request = deploy_request(model, assignments)
    client = target.client(patience_s=patience_s)
    return operate("deploy", lambda: client.deploy(request))
