"""The `modelsvc` command."""

from typing import NoReturn


def main() -> NoReturn:
    """Run the command line and exit with its code."""
    from modelsvc.cli.tree import cli

    cli(prog_name="modelsvc")
    raise AssertionError("the command tree always exits")
