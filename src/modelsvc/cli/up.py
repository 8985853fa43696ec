"""`modelsvc up`: become the supervisor."""

import os
import sys
from pathlib import Path

import click

from modelsvc.cli import output
from modelsvc.cli.base import Command
from modelsvc.cli.detach import detach
from modelsvc.cli.waiting.options import WAIT_S, timeout_option
from supervisor.paths import find_config


@click.command(cls=Command)
@click.option("--config", type=click.Path(path_type=Path), metavar="FILE", help="The configuration file to use.")
@click.option("-d", "--detach", "in_background", is_flag=True, help="In the background; return when a colour serves.")
@timeout_option("With --detach: give up waiting")
def up(config: Path | None, in_background: bool, timeout_s: float | None) -> None:
    """Run the service in the foreground until Ctrl-C, or with --detach in the background until `ctl shutdown`.

    Without --config: $MODELSVC_CONFIG, then ./config/modelsvc.toml, then the user's configuration folder. In the
    background its output goes to logs/console.log; where it runs already, nothing is left to do.

    \b
    Example:
      modelsvc up --config config/modelsvc.toml
      modelsvc up --detach
    """
    if timeout_s is not None and not in_background:
        raise click.UsageError("--timeout is how long --detach waits: give both, or none.")
    found = find_config(config)
    if in_background:
        detach(found, timeout_s or WAIT_S)
        return
    arguments = [*(["--config", str(found)] if found else []), *(["--json"] if output.json_wanted() else [])]
    sys.stdout.flush()
    # Become it, so that signals reach the supervisor itself. -P: a folder of that name in the working directory
    # must not be taken for it.
    os.execv(sys.executable, [sys.executable, "-P", "-m", "supervisor", *arguments])
