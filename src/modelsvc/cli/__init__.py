"""The `modelsvc` command."""

import sys
from typing import NoReturn


def main() -> NoReturn:
    """Run the command line and exit with its code."""
    try:
        from modelsvc.cli.tree import cli

        cli(prog_name="modelsvc")
    except KeyboardInterrupt:  # while it still imports
        sys.exit(130)
    raise AssertionError("the command tree always exits")
