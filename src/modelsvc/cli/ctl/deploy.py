"""`modelsvc ctl deploy`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec

from modelsvc.cli import completion, output
from modelsvc.cli.base import Command
from modelsvc.cli.ctl import Target
from modelsvc.cli.ctl.ledger import plan_lines
from modelsvc.cli.ctl.operate import operate, patience_option
from modelsvc.cli.ctl.operations import in_place_option
from modelsvc.cli.ctl.request import deploy_request
from supervisor.protocol import ExitCode, Plan


def tell(plan: Plan) -> int:
    """Show the plan; a refusal is told as the deployment would tell it, with its exit code."""
    if output.json_wanted():
        output.emit(plan)
    else:
        click.echo("\n".join(plan_lines(plan)))
    if not plan.admitted:
        output.say(plan.reason)
    return ExitCode.DONE if plan.admitted else ExitCode.REFUSED


class ModelName(click.Path):
    """An empty one is none, and not the working directory."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not value:
            self.fail("it is empty: name a model, or write --set model.path= for the built-in one", param, ctx)
        return super().convert(value, param, ctx)


Function = TypeVar("Function", bound=Callable[..., Any])


def change_options(command: Function) -> Function:
    """What a release may change in the one before it."""
    settings = click.option(
        "--set",
        "assignments",
        multiple=True,
        metavar="KEY=VALUE",
        help="A [model] setting to change; may be repeated.",
        shell_complete=completion.settings,
    )
    model = click.option(
        "--model",
        type=ModelName(path_type=Path),
        metavar="PATH|NAME",
        help="The GGUF file to serve, or its name in the store.",
        shell_complete=completion.models,
    )
    return model(settings(command))


@click.command(cls=Command)
@change_options
@in_place_option
@click.option("--plan", "only_plan", is_flag=True, help="Only tell what it would be, and whether it would be admitted.")
@click.option("--fast", is_flag=True, help="Only go to what was prewarmed; refused when nothing was.")
@patience_option
@click.pass_obj
def deploy(
    target: Target,
    model: Path | None,
    assignments: tuple[str, ...],
    in_place: bool,
    only_plan: bool,
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
      modelsvc ctl deploy --model ~/models/b.gguf --plan
    """
    if fast and (in_place or only_plan or model or assignments):
        raise click.UsageError("--fast goes to what was prewarmed, as it is: give it no other option.")
    request = msgspec.structs.replace(deploy_request(model, assignments, in_place), fast=fast)
    client = target.client(patience_s=patience_s)
    if only_plan:
        return tell(client.plan(request))
    return operate("deploy", lambda: client.deploy(request))
