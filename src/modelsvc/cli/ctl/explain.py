"""`modelsvc ctl explain`."""

import click

from modelsvc.cli import output
from modelsvc.cli.base import Command
from modelsvc.cli.ctl import Target
from modelsvc.cli.ctl.log_lines import LogLine, merged, of_deployment, shown
from modelsvc.cli.ctl.logs import SOURCES
from modelsvc.cli.ctl.story import story_lines
from supervisor.client import ControlClient
from supervisor.errors import NotFound
from supervisor.protocol import DeploymentStatus

LOG_LINES = 10_000  # of each log, as many as the daemon tells


@click.command(cls=Command)
@click.argument("number", required=False, type=click.IntRange(min=1), metavar="[ID]")
@click.option("--logs", "with_logs", is_flag=True, help="And what the logs say of its time, but for single requests.")
@click.pass_obj
def explain(target: Target, number: int | None, with_logs: bool) -> None:
    """Tell a deployment from what was asked to what came of it, and what to do next. Without ID: the latest.

    \b
    Example:
      modelsvc ctl explain
      modelsvc ctl explain 4 --logs
    """
    client = target.client()
    answer = client.explanation(_latest(client) if number is None else number)
    lines = _logs(client, answer.deployment) if with_logs else []
    if output.json_wanted():
        output.emit(answer)
        for line in lines:
            output.emit({"at": line.at, "source": line.source, "line": line.text})
        return
    click.echo("\n".join([*story_lines(answer), *(["logs:", *shown(lines)] if with_logs else [])]))


def _latest(client: ControlClient) -> int:
    for deployment in client.history(1):
        return deployment.deployment
    raise NotFound("there is no deployment yet: `modelsvc ctl deploy` makes one", code="no_deployment")


def _logs(client: ControlClient, deployment: DeploymentStatus) -> list[LogLine]:
    found = merged({source: client.logs(source, LOG_LINES).lines for source in SOURCES})
    return of_deployment(found, deployment.started_at, deployment.finished_at)
