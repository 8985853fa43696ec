"""Which daemon a command asks."""

from pathlib import Path

from modelsvc.cli import output
from supervisor.errors import ConfigError
from supervisor.paths import control_socket, find_config, state_paths


def daemon_socket(config: Path | None = None) -> Path:
    """The control socket that the configuration names: `config`, else the one that is found.

    A daemon goes on when its configuration is broken by an edit, and has to be reachable then: where the file that is
    found cannot be read, and the state folder's own socket is there, it is that one, and the problem is told. Raises
    ConfigError otherwise, also for a file that was asked for by name.
    """
    try:
        return control_socket(find_config(config))
    except ConfigError as error:
        usual = state_paths().control_socket
        if config is not None or not usual.is_socket():
            raise
        output.say(f"{error.message}; asking the daemon of {usual} nevertheless")
        return usual
