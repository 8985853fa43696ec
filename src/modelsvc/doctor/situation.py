"""What every check starts from: the configuration as far as it can be used, and where everything lies."""

import tomllib
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from supervisor.config import Config, describe
from supervisor.errors import SupervisorError
from supervisor.paths import StatePaths, find_config, state_paths

ROUNDS = 3  # taking wrong keys out may leave ports that clash with defaults
PORT_KEYS = (
    ("edge", "listen"),
    ("workers", "blue_port"),
    ("workers", "green_port"),
    ("control", "metrics_listen"),
    ("monitor", "listen"),
)


@dataclass(frozen=True)
class Situation:
    """`config` has the defaults in place of keys that cannot be used; `problems` tells each of these."""

    paths: StatePaths
    config_path: Path | None = None
    config: Config = field(default_factory=Config)
    problems: tuple[str, ...] = ()
    missing: str = ""  # a configuration file was named that is not there
    keys_file: Path | None = None  # as named, also where it cannot be used
    control_socket: Path = Path()
    deep: bool = False


def survey(config_option: Path | None, deep: bool) -> Situation:
    """Find and read the configuration. Never raises for what is in it."""
    paths = state_paths()
    try:
        path = find_config(config_option)
    except (SupervisorError, OSError) as error:  # of the latter, that a folder on the way may not be entered
        return Situation(paths, missing=str(error), control_socket=paths.control_socket, deep=deep)
    values, unreadable = _read(path) if path else ({}, ())
    config, problems = usable(values, path.parent if path else None)
    return Situation(
        paths,
        path,
        config,
        (*unreadable, *problems),
        keys_file=_named(values, "security", "api_keys_file", path),
        control_socket=_named(values, "control", "socket", path) or paths.control_socket,
        deep=deep,
    )


def usable(values: Mapping[str, Any], folder: Path | None) -> tuple[Config, tuple[str, ...]]:
    """The configuration without the keys that are wrong, and what is wrong with them, all at once."""
    left, problems = deepcopy(dict(values)), list[str]()
    for _ in range(ROUNDS):
        try:
            return Config.model_validate(left, context=folder), tuple(dict.fromkeys(problems))
        except ValidationError as error:
            problems += describe(error, Config)
            for place in [detail["loc"] for detail in error.errors()]:
                for wrong in [place] if place else PORT_KEYS:  # what has no place is about the ports together
                    _remove(left, wrong)
    return Config(), tuple(dict.fromkeys(problems))


def _remove(values: Any, place: Sequence[int | str]) -> None:
    """Take the key at `place` out of its table; an array is taken out as a whole."""
    first, *rest = place
    if not isinstance(values, dict):
        return
    if rest and isinstance(values.get(first), dict):
        _remove(values[first], rest)
    else:
        values.pop(first, None)


def _read(path: Path) -> tuple[dict[str, Any], tuple[str, ...]]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8")), ()
    except (OSError, ValueError) as error:
        return {}, (f"cannot be read as TOML: {error}",)


def _named(values: Mapping[str, Any], section: str, key: str, config: Path | None) -> Path | None:
    table = values.get(section)
    value = table.get(key) if isinstance(table, dict) else None
    return config.parent / Path(value).expanduser() if config and value and isinstance(value, str) else None
