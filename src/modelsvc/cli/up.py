"""`modelsvc up`: become the supervisor."""

import os
import sys
from pathlib import Path

import click

from modelsvc.cli import output
from modelsvc.cli.base import Command
from supervisor.paths import find_config


@click.command(cls=Command)
@click.option("--config", type=click.Path(path_type=Path), metavar="FILE", help="The configuration file to use.")
def up(config: Path | None) -> None:
    """Run the service in the foreground until Ctrl-C.

    Without --config: $MODELSVC_CONFIG, then ./config/modelsvc.toml, then the user's configuration folder.

    \b
    Example:
      modelsvc up --config config/modelsvc.toml
    """
    found = find_config(config)
    arguments = [*(["--config", str(found)] if found else []), *(["--json"] if output.json_wanted() else [])]
    sys.stdout.flush()
    # Become it, so that signals reach the supervisor itself. -P: a folder of that name in the working directory
    # must not be taken for it.
    os.execv(sys.executable, [sys.executable, "-P", "-m", "supervisor", *arguments])
