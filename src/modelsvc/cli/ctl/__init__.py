"""`modelsvc ctl`: ask the running service, over its control socket."""

from dataclasses import dataclass
from pathlib import Path

import click

from modelsvc.cli.base import LazyGroup
from modelsvc.cli.daemon import daemon_socket
from supervisor.client import ControlClient


@dataclass(frozen=True)
class Target:
    """Which daemon to ask. Resolved only when asked, so that `--help` works under a broken configuration."""

    socket: Path | None = None
    config: Path | None = None

    def client(self, timeout_s: float = 10.0, patience_s: float | None = None) -> ControlClient:
        path = self.socket.absolute() if self.socket else daemon_socket(self.config)
        return ControlClient(path, timeout_s, patience_s)


_HERE = "modelsvc.cli.ctl"


@click.group(
    cls=LazyGroup,
    lazy={
        "status": f"{_HERE}.status:status",
        "active": f"{_HERE}.active:active",
        "deploy": f"{_HERE}.deploy:deploy",
        "prewarm": f"{_HERE}.prewarm:prewarm",
        "rollback": f"{_HERE}.operations:rollback",
        "swap": f"{_HERE}.operations:swap",
        "start": f"{_HERE}.operations:start",
        "stop": f"{_HERE}.operations:stop",
        "pause": f"{_HERE}.operations:pause",
        "resume": f"{_HERE}.operations:resume",
        "history": f"{_HERE}.history:history",
        "explain": f"{_HERE}.explain:explain",
        "memory": f"{_HERE}.memory:memory",
        "logs": f"{_HERE}.logs:logs",
        "events": f"{_HERE}.events:events",
        "shutdown": f"{_HERE}.operations:shutdown",
        "handover": f"{_HERE}.operations:handover",
    },
)
@click.option("--socket", type=click.Path(path_type=Path), metavar="PATH", help="The daemon's control socket.")
@click.option("--config", type=click.Path(path_type=Path), metavar="FILE", help="The configuration that names it.")
@click.pass_context
def ctl(ctx: click.Context, socket: Path | None, config: Path | None) -> None:
    """Look at the running service, and change it.

    \b
    Example:
      modelsvc ctl status
      modelsvc ctl deploy --set model.context_tokens=8192
    """
    ctx.obj = Target(socket, config)
