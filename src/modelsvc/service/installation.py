"""What is installed: programs, files and limits, each by its absolute path, as they are when it is installed."""

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from supervisor import config as configuration
from supervisor.config import Config
from supervisor.errors import InvalidRequest
from supervisor.nginx.command import locate
from supervisor.paths import StatePaths, find_config, state_paths
from supervisor.protocol import CONFIG_ENV, HOME_ENV

DEFAULT_NAME = "modelsvc"
LOG_NAME = "service.log"
# Where programs are that hooks name and that are run by name; a login shell's PATH would differ from day to day.
USUAL_PATH = ("/opt/homebrew/bin", "/usr/local/bin", "/usr/bin", "/bin", "/usr/local/sbin", "/usr/sbin", "/sbin")
START_MARGIN_S, STOP_MARGIN_S = 60, 60

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


@dataclass(frozen=True, slots=True)
class Recorded:
    """What an installed service runs on, by its own files: a shell of now may say something else."""

    config: Path | None
    home: Path


@dataclass(frozen=True, slots=True)
class Installation:
    """One service of one user. `config` is None where the defaults hold; `path` is what programs are looked for in."""

    name: str
    python: Path
    config: Path | None
    state: StatePaths
    listen: str  # numeric, as edge.listen
    path: str
    start_timeout_s: int
    stop_timeout_s: int

    @property
    def command(self) -> tuple[str, ...]:
        """What the service manager runs."""
        named = ("--config", str(self.config)) if self.config else ()
        return (str(self.python), "-P", "-m", "supervisor", *named)

    @property
    def environment(self) -> dict[str, str]:
        return {HOME_ENV: str(self.state.root), "PATH": self.path}

    @property
    def log(self) -> Path:
        """What the supervisor says on its terminal, where the manager keeps no journal."""
        return self.state.logs / LOG_NAME


def check_name(name: str) -> str:
    """Raises InvalidRequest for what could not name files and units."""
    if not _NAME.fullmatch(name):
        raise InvalidRequest(f"a service's name has small letters, digits and hyphens, such as second, not {name!r}")
    return name


def resolve(
    name: str = DEFAULT_NAME,
    config: Path | None = None,
    recorded: Recorded | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Installation:
    """What would be installed now, in place of what is `recorded`.

    Raises ConfigError with all that is wrong with the configuration.
    """
    effective = _environment(environ, recorded)
    found = find_config(config, effective)
    loaded, paths = configuration.load(found), state_paths(effective)
    _printable(found, paths.root)
    return Installation(
        name=check_name(name),
        python=Path(sys.executable),
        config=found,
        state=paths,
        listen=loaded.edge.listen,
        path=os.pathsep.join(dict.fromkeys((*_folders(loaded), *USUAL_PATH))),
        start_timeout_s=START_MARGIN_S + 2 * round(loaded.workers.stop_timeout_s),
        stop_timeout_s=stop_timeout_s(loaded),
    )


def stop_timeout_s(config: Config) -> int:
    """Longer than whatever an end may wait for: a deployment that is finished or taken back, held requests, streams."""
    deploy, stop_s = config.deploy, config.workers.stop_timeout_s
    deployment_s = deploy.ready_timeout_s + 2 * deploy.drain_timeout_s + deploy.bake_s
    streams_s = max(deploy.drain_timeout_s, stop_s)
    return STOP_MARGIN_S + round(deployment_s + config.edge.hold_timeout_s + streams_s + stop_s)


def _environment(environ: Mapping[str, str], recorded: Recorded | None) -> Mapping[str, str]:
    """A service keeps its configuration and its state folder where nobody names others."""
    if recorded is None:
        return environ
    kept = {HOME_ENV: str(recorded.home)}
    if recorded.config and recorded.config.is_file():
        kept[CONFIG_ENV] = str(recorded.config)
    return kept | {name: value for name, value in environ.items() if value}


def _folders(config: Config) -> tuple[str, ...]:
    """That of the interpreter, whose `modelsvc` hooks may call, and nginx's."""
    nginx = Path(locate(config.edge.nginx))
    return (str(Path(sys.executable).parent), *([str(nginx.parent)] if nginx.is_absolute() else []))


def _printable(*paths: Path | None) -> None:
    """Raises InvalidRequest for a path that no file of a service manager can name."""
    for path in filter(None, paths):
        if any(ord(letter) < 32 or ord(letter) == 127 or "\ud800" <= letter <= "\udfff" for letter in str(path)):
            raise InvalidRequest(f"the path {str(path)!r} has letters that a service manager cannot read: rename it")
