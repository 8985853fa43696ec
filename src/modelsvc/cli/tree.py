"""The command tree."""

import click

from modelsvc.cli.base import Root


@click.group(
    cls=Root,
    lazy={
        "up": "modelsvc.cli.up:up",
        "ctl": "modelsvc.cli.ctl:ctl",
        "chat": "modelsvc.cli.chat:chat",
        "health": "modelsvc.cli.health:health",
        "doctor": "modelsvc.cli.doctor:doctor",
        "service": "modelsvc.cli.service:service",
        "monitor": "modelsvc.cli.monitor:monitor",
        "keys": "modelsvc.cli.keys:keys",
        "model": "modelsvc.cli.model:model",
        "reset": "modelsvc.cli.reset:reset",
        "completion": "modelsvc.cli.completion:completion",
    },
    hidden={"worker": "modelsvc.worker.command:worker"},
)
@click.version_option(package_name="modelsvc", message="modelsvc %(version)s")
def cli() -> None:
    """Serve one local language model, and replace it under traffic without a failed request.

    \b
    Example:
      modelsvc up                                  run the service here
      modelsvc chat "Hello, my name is Ada"        talk to the model
      modelsvc ctl deploy --model ~/models/b.gguf  replace the model

    \b
    Exit codes: 0 done, 1 failed (and rolled back), 2 misuse, 3 daemon not reachable, 4 refused, 5 timed out waiting.
    """
