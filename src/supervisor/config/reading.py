"""From TOML to a Config, and from what is wrong with it to lines that people can act on."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from supervisor.config.file import Config
from supervisor.config.sections import ModelSection
from supervisor.core.state import SettingValue
from supervisor.errors import ConfigError, InvalidRequest, may_pass


def load(path: Path | None) -> Config:
    """The configuration in `path`, or the defaults. Raises ConfigError that lists all that is wrong with it."""
    return parse(_read(path) if path else {}, str(path or "the defaults"), path.parent if path else None)


def parse(values: Mapping[str, Any], source: str, folder: Path | None = None) -> Config:
    """Configuration values as a Config; `source` names them in errors, relative paths count from `folder`."""
    try:
        return Config.model_validate(values, context=folder)
    except ValidationError as error:
        problems = describe(error)
        raise ConfigError(
            f"{source} has {len(problems)} problem(s):\n" + "\n".join(f"  {line}" for line in problems)
        ) from None


def with_settings(base: ModelSection, settings: Mapping[str, SettingValue]) -> ModelSection:
    """`base` with dotted `model.…` keys replaced. Raises InvalidRequest that lists every wrong one."""
    changed = {key.removeprefix("model."): value for key, value in settings.items()}
    try:
        return ModelSection.model_validate({**base.model_dump(), **changed})
    except ValidationError as error:
        raise InvalidRequest("; ".join(describe(error, "model")), code="bad_setting") from None


def describe(error: ValidationError, prefix: str = "") -> list[str]:
    """One line a problem: dotted path, what is allowed, and the value that is not."""
    return list(dict.fromkeys(_line(detail, prefix) for detail in error.errors()))


def _line(detail: ErrorDetails, prefix: str) -> str:
    path = ".".join(str(part) for part in (prefix, *detail["loc"]) if part != "")
    if detail["type"] == "extra_forbidden":
        return f"{path}: there is no such key"
    if detail["type"] == "model_type":
        return f"{path}: must be a table of keys, not {detail['input']!r}"
    text = detail["msg"].removeprefix("Value error, ")
    shown = "" if detail["type"] == "value_error" or isinstance(detail["input"], dict) else f", not {detail['input']!r}"
    return f"{path}: {text}{shown}" if path else text


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read as TOML: {error}", passing=may_pass(error)) from error
