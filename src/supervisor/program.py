"""The supervisor as a program: its command line, the state folder held, errors told."""

import argparse
import asyncio
import os
from pathlib import Path

from supervisor import config as configuration
from supervisor import lock, logs, open_files, startup
from supervisor.console import say, tell_program
from supervisor.errors import SupervisorError
from supervisor.manager.activation import inherit
from supervisor.manager.notifier import Notifier
from supervisor.paths import control_socket, find_config, state_paths
from supervisor.protocol import ErrorReply
from supervisor.service import serve
from supervisor.settings import Settings

INTERRUPTED = 130  # as shells have it
OWNER_ONLY = 0o077


def main(arguments: list[str] | None = None) -> int:
    """Run until shut down; the exit code is one of protocol.ExitCode, or 130 after Ctrl-C before it was up."""
    options = _parser().parse_args(arguments)
    try:
        _run(options.config)
    except SupervisorError as error:
        say(error.message)
        if options.json:
            tell_program(ErrorReply(error=error.body()))
        return error.exit_code
    except KeyboardInterrupt:
        say("interrupted before it was up")
        return INTERRUPTED
    return 0


def _run(config_option: Path | None) -> None:
    manager = Notifier.take()
    try:
        _serve(config_option, manager)
    except SupervisorError as error:
        manager.failed(error.message)
        raise


def _serve(config_option: Path | None, manager: Notifier) -> None:
    os.umask(OWNER_ONLY)  # nginx, workers and hooks have it from us
    inherited = inherit()
    path = find_config(config_option)
    config = configuration.load(path)
    paths = state_paths()
    startup.lay_out(paths)
    open_files.raise_limit()
    with lock.take(paths.lock) as held:
        logs.configure(paths.logs / "supervisor.log")
        settings = Settings(config, path, paths, control_socket(path), inherited=inherited, manager=manager, lock=held)
        asyncio.run(serve(settings))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="modelsvc up", description="Run the supervisor in the foreground.")
    parser.add_argument("--config", type=Path, help="configuration file (TOML)")
    parser.add_argument("--json", action="store_true", help="print an error as JSON on stdout, too")
    return parser
