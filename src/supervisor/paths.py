"""Where things are: the state folder, the configuration file and the control socket.

Both the supervisor and its client find each other by these functions, so they stay light.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from supervisor.errors import ConfigError
from supervisor.listen import EDGE_LISTEN, numeric
from supervisor.protocol import CONFIG_ENV, HOME_ENV, Color

CONFIG_NAME = "modelsvc.toml"

# `sun_path` has 104 bytes on macOS and 108 on Linux, the closing NUL included; the smaller keeps a setup portable.
SOCKET_PATH_LIMIT = 103


@dataclass(frozen=True)
class StatePaths:
    """Everything the service keeps, under one folder."""

    root: Path

    @property
    def run(self) -> Path:
        return self.root / "run"

    @property
    def control_socket(self) -> Path:
        return self.run / "control.sock"

    @property
    def notify_socket(self) -> Path:
        return self.run / "notify.sock"

    @property
    def hold_socket(self) -> Path:
        return self.run / "hold.sock"

    @property
    def probe_key(self) -> Path:
        return self.run / "probe.key"

    @property
    def lock(self) -> Path:
        return self.run / "lock"

    @property
    def edge(self) -> Path:
        return self.root / "edge"

    @property
    def monitor(self) -> Path:
        """Prometheus' configuration and data."""
        return self.root / "monitor"

    @property
    def releases(self) -> Path:
        return self.root / "releases"

    @property
    def models(self) -> Path:
        """The model store: `<sha256>/name.gguf`."""
        return self.root / "models"

    @property
    def journal(self) -> Path:
        return self.root / "supervisor.db"

    @property
    def reserve(self) -> Path:
        return self.root / "reserve"

    @property
    def chat_history(self) -> Path:
        return self.root / "chat.db"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def access_log(self) -> Path:
        return self.edge / "access.log"

    @property
    def console_log(self) -> Path:
        """What a supervisor that was started in the background says on its terminal."""
        return self.logs / "console.log"

    @property
    def log_files(self) -> dict[str, Path]:
        """What may be read, by whose it is."""
        workers = {str(color): self.logs / f"worker-{color}.log" for color in Color}
        others = {"edge": self.edge / "error.log", "prometheus": self.logs / "prometheus.log"}
        return {"supervisor": self.logs / "supervisor.log", **workers, **others}

    @property
    def held_logs(self) -> tuple[Path, ...]:
        """Those that other processes hold open."""
        files = self.log_files
        return (*(path for whose, path in files.items() if whose != "supervisor"), self.access_log, self.console_log)


def state_paths(environ: Mapping[str, str] = os.environ) -> StatePaths:
    """The state folder's paths: `$MODELSVC_HOME`, else the user's own state folder. Creates nothing."""
    home = environ.get(HOME_ENV)
    return StatePaths(Path(home).expanduser().absolute() if home else _user_folder("user_state_dir"))


def find_config(
    explicit: Path | None = None, environ: Mapping[str, str] = os.environ, folder: Path | None = None
) -> Path | None:
    """The configuration file to use, absolute, or None when there is none and the defaults hold.

    `--config`, then `$MODELSVC_CONFIG`, then ./config/modelsvc.toml, then the user's configuration folder. `folder`
    is another one than the working directory.
    Raises ConfigError when one of the first two names a file that is not there.
    """
    named = explicit or (Path(environ[CONFIG_ENV]) if environ.get(CONFIG_ENV) else None)
    if named is not None:
        return _existing(named.expanduser().absolute(), "--config" if explicit else f"${CONFIG_ENV}")
    return next((path for path in _usual_configs(folder or Path()) if path.is_file()), None)


def control_socket(config: Path | None, environ: Mapping[str, str] = os.environ) -> Path:
    """The control socket: `[control] socket` of the configuration file, else <state>/run/control.sock.

    A relative `[control] socket` counts from the configuration file's folder, so that both ends mean the same file.
    """
    configured = _configured(config, "control", "socket") if config else ""
    if config and configured:
        return config.parent / Path(configured).expanduser()
    return state_paths(environ).control_socket


def edge_listen(config: Path | None) -> str:
    """Where clients reach the service: `[edge] listen` of the configuration file, else the default.

    Raises ConfigError for what is no address: whoever asks must not be sent to another service.
    """
    configured = _configured(config, "edge", "listen", EDGE_LISTEN) if config else EDGE_LISTEN
    try:
        return numeric(configured)
    except ValueError as error:
        raise ConfigError(f"{config}: edge.listen: {error}") from None


def keys_file(config: Path | None) -> Path:
    """`[security] api_keys_file`, relative to the configuration file. Raises ConfigError when none is named."""
    configured = _configured(config, "security", "api_keys_file") if config else ""
    if config is None or not configured:
        where = f"in {config}" if config else "in a configuration file"
        raise ConfigError(f"no file of keys is named: set security.api_keys_file {where}, or give --file PATH")
    return config.parent / Path(configured).expanduser()


def check_socket_path(path: Path) -> Path:
    """Return `path`, or raise ConfigError when the system could not bind a socket there."""
    length = len(os.fsencode(path))
    if length > SOCKET_PATH_LIMIT:
        raise ConfigError(
            f"the socket path {path} has {length} bytes, but the system allows {SOCKET_PATH_LIMIT}:"
            f" set {HOME_ENV} or control.socket to a shorter path",
            code="socket_path_too_long",
        )
    return path


def check_owner(paths: StatePaths) -> None:
    """Raise ConfigError for root in another user's state folder: that user could not go on with what it leaves."""
    try:
        owner = paths.root.stat().st_uid
    except OSError:
        return  # it is yet to be made, or its maker will tell
    if os.geteuid() == 0 != owner:
        name = _user(owner)
        raise ConfigError(
            f"the state folder {paths.root} belongs to {name}, and this is root, whose files {name} could not use:"
            f" run it as {name} (`sudo -u {name} modelsvc …`), or set {HOME_ENV} to a folder of root's",
            code="state_of_another_user",
        )


def _user(number: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"#{number}"


def _usual_configs(folder: Path) -> Iterator[Path]:
    yield folder.absolute() / "config" / CONFIG_NAME
    yield _user_folder("user_config_dir") / CONFIG_NAME


def _user_folder(kind: str) -> Path:
    import platformdirs  # not needed when MODELSVC_HOME is set

    return Path(getattr(platformdirs, kind)("modelsvc", appauthor=False))


def _existing(path: Path, said_by: str) -> Path:
    if not path.is_file():
        raise ConfigError(f"{said_by} names {path}, but there is no such file", code="no_config_file")
    return path


def _configured(config: Path, section: str, key: str, default: str = "") -> str:
    table = _read_toml(config).get(section, {})
    if not isinstance(table, dict):
        raise ConfigError(f"{config}: [{section}] must be a table of keys, not {table!r}")
    value = table.get(key, default)
    if not isinstance(value, str):
        raise ConfigError(f"{config}: {section}.{key} must be a string, not {value!r}")
    return value


def _read_toml(path: Path) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read as TOML: {error}") from error
