"""`modelsvc ctl deploy`."""

from pathlib import Path

import click

from modelsvc.cli import output
from modelsvc.cli.base import Command
from modelsvc.cli.ctl import Target
from modelsvc.cli.ctl.ledger import plan_lines
from modelsvc.cli.ctl.operate import operate, patience_option
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


@click.command(cls=Command)
@click.option("--model", type=click.Path(path_type=Path), metavar="PATH", help="The GGUF file to serve.")
@click.option(
    "--set", "assignments", multiple=True, metavar="KEY=VALUE", help="A [model] setting to change; may be repeated."
)
@click.option("--plan", "only_plan", is_flag=True, help="Only tell what it would be, and whether it would be admitted.")
@click.option("--in-place", is_flag=True, help="Stop the worker that serves first, where two do not fit.")
@patience_option
@click.pass_obj
def deploy(
    target: Target,
    model: Path | None,
    assignments: tuple[str, ...],
    only_plan: bool,
    in_place: bool,
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
    request = deploy_request(model, assignments, in_place)
    client = target.client(patience_s=patience_s)
    if only_plan:
        return tell(client.plan(request))
    return operate("deploy", lambda: client.deploy(request))
