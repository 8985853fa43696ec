"""`modelsvc ctl prewarm`."""

from pathlib import Path

import click

from modelsvc.cli import output
from modelsvc.cli.base import Command
from modelsvc.cli.ctl import Target
from modelsvc.cli.ctl.deploy import change_options
from modelsvc.cli.ctl.describe import prewarm_lines
from modelsvc.cli.ctl.operate import operate, patience_option
from modelsvc.cli.ctl.request import deploy_request
from supervisor.protocol import DeploymentKind, PrewarmRequest, Status


def _show(status: Status) -> None:
    if not output.json_wanted():
        click.echo("\n".join(prewarm_lines(status)))
        return
    running = status.deployment if status.deployment and status.deployment.kind is DeploymentKind.PREWARM else None
    output.emit({"prewarmed": status.prewarmed, "deployment": running})


@click.command(cls=Command)
@change_options
@click.option("--status", "show", is_flag=True, help="Say what is prewarmed, or being so.")
@click.option("--cancel", is_flag=True, help="Give up prewarming, or stop what is prewarmed.")
@patience_option
@click.pass_obj
def prewarm(
    target: Target, model: Path | None, assignments: tuple[str, ...], show: bool, cancel: bool, patience_s: float | None
) -> int:
    """Start a release beside the one that serves, so that deploying it takes no longer than a switch.

    It is admitted, started and warmed up like in a deployment, and stays standby. `modelsvc ctl deploy` without a
    change then goes to it.

    \b
    Example:
      modelsvc ctl prewarm --model ~/models/b.gguf
      modelsvc ctl deploy --fast
    """
    if show + cancel + bool(model or assignments) > 1:
        raise click.UsageError("--status, --cancel and a change exclude each other: give one of them.")
    client = target.client(patience_s=patience_s)
    if show:
        _show(client.status())
        return 0
    if cancel:
        return operate("prewarm --cancel", client.cancel_prewarm, "release {} is prewarmed no more")
    asked = deploy_request(model, assignments)
    request = PrewarmRequest(model=asked.model, settings=asked.settings)
    return operate("prewarm", lambda: client.prewarm(request))
