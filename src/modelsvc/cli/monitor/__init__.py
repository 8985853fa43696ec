"""`modelsvc monitor`: a Prometheus beside the service, and a Grafana that shows it."""

from pathlib import Path

import click

from modelsvc.cli.base import LazyGroup
from modelsvc.cli.ctl import Target

_COMMANDS = "modelsvc.cli.monitor.commands"


@click.group(
    cls=LazyGroup,
    lazy={
        "up": f"{_COMMANDS}:up",
        "down": f"{_COMMANDS}:down",
        "status": f"{_COMMANDS}:status",
        "targets": f"{_COMMANDS}:targets",
        "check": f"{_COMMANDS}:check",
        "grafana": "modelsvc.cli.monitor.grafana:grafana",
    },
)
@click.option("--socket", type=click.Path(path_type=Path), metavar="PATH", help="The daemon's control socket.")
@click.option("--config", type=click.Path(path_type=Path), metavar="FILE", help="The configuration that names it.")
@click.pass_context
def monitor(ctx: click.Context, socket: Path | None, config: Path | None) -> None:
    """Run a Prometheus beside the service, and look at it in Grafana.

    \b
    Example:
      modelsvc monitor up
      modelsvc monitor status
    """
    ctx.obj = Target(socket, config)
