"""What every command shares: `--json`, subcommands imported when used, and one line for an error.

A subcommand is named by `module:attribute`, so that `modelsvc ctl status` does not pay for what it does not run.
"""

import math
import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click

from modelsvc.cli import output
from modelsvc.cli.streams import OutputFailed, guarded_streams
from modelsvc.process_exit import exit_now
from supervisor.errors import InvalidRequest, SupervisorError
from supervisor.protocol import ErrorBody, ExitCode

INTERRUPTED = 130
MAX_S = 1e6  # the system cannot wait for any length of time


def json_option() -> click.Option:
    return click.Option(
        ["--json"], is_flag=True, expose_value=False, callback=output.want_json, help="Print JSON, for programs."
    )


class Finite(click.FloatRange):
    """A range that also knows that NaN and infinity are not in it."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a number to count with", param, ctx)
        return number


class Command(click.Command):
    """A command with `--json`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.append(json_option())


class LazyGroup(click.Group):
    """A group whose subcommands are imported when they are called. `hidden` ones are called, but not listed."""

    command_class = Command

    def __init__(
        self, *args: Any, lazy: Mapping[str, str], hidden: Mapping[str, str] | None = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self._lazy = dict(lazy)
        self._hidden = dict(hidden or {})
        self.params.append(json_option())

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self._lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        where = {**self._lazy, **self._hidden}.get(cmd_name)
        return _load(where) if where else None


class Root(LazyGroup):
    """The whole command line: nothing a user does wrong leaves it as a traceback."""

    waits_for_threads = True  # whatever the command's end, Ctrl-C or output that cannot be written included

    def main(self, *args: Any, **kwargs: Any) -> Any:
        given = args[0] if args else kwargs.pop("args", None)
        argv = sys.argv[1:] if given is None else list(given)
        self.waits_for_threads = True
        with guarded_streams():
            try:
                code = self._run(argv, **{**kwargs, "standalone_mode": False})
            except OutputFailed as error:
                output.give_up(error)
                code = ExitCode.FAILED
        if not self.waits_for_threads:
            exit_now(code)
        sys.exit(code)

    def _run(self, argv: list[str], **kwargs: Any) -> int:
        as_json = "--json" in argv
        try:
            _check_text(argv)
            return int(super().main(argv, **kwargs) or 0)
        except click.exceptions.NoArgsIsHelpError as error:
            error.show()
            return ExitCode.MISUSE
        except click.ClickException as error:
            output.report(_misuse(error), as_json)
            return ExitCode.MISUSE
        except SupervisorError as error:
            output.report(error.body(), as_json)
            return error.exit_code
        except (click.Abort, KeyboardInterrupt):
            return INTERRUPTED


def wait_for_threads(wait: bool) -> None:
    """Whether the process, once the command is over, waits for threads that still run, as the interpreter does."""
    root = click.get_current_context().find_root().command
    assert isinstance(root, Root), "a command is run below the whole command line"
    root.waits_for_threads = wait


def _load(where: str) -> click.Command:
    module, attribute = where.split(":")
    command = getattr(import_module(module), attribute)
    assert isinstance(command, click.Command), f"{where} is no command"
    return command


def _check_text(argv: list[str]) -> None:
    """What travels as JSON must be text: Python keeps an argument's undecodable bytes as lone surrogates."""
    for argument in argv:
        try:
            argument.encode()
        except UnicodeEncodeError as error:
            raise InvalidRequest(f"the argument {argument!r} is not UTF-8 text") from error


def _misuse(error: click.ClickException) -> ErrorBody:
    ctx = error.ctx if isinstance(error, click.UsageError) else None
    hint = f" (see `{ctx.command_path} --help`)" if ctx else ""
    return ErrorBody(type="invalid_request", code="usage", message=error.format_message().rstrip(".") + hint)
