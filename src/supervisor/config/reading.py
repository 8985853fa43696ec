"""From TOML to a Config; what is wrong with it is put into lines by `complaints`."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from supervisor.config.complaints import describe
from supervisor.config.file import Config
from supervisor.config.sections import ModelSection
from supervisor.core.state import SettingValue
from supervisor.errors import ConfigError, InvalidRequest, is_transient


def load(path: Path | None) -> Config:
    """The configuration in `path`, or the defaults. Raises ConfigError that lists all that is wrong with it."""
    return parse(_read(path) if path else {}, str(path or "the defaults"), path.parent if path else None)


def parse(values: Mapping[str, Any], source: str, folder: Path | None = None) -> Config:
    """Configuration values as a Config; `source` names them in errors, relative paths count from `folder`."""
    try:
        return Config.model_validate(values, context=folder)
    except ValidationError as error:
        problems = describe(error, Config)
        raise ConfigError(
            f"{source} has {len(problems)} problem(s):\n" + "\n".join(f"  {line}" for line in problems)
        ) from None


def with_settings(base: ModelSection, settings: Mapping[str, SettingValue]) -> ModelSection:
    """`base` with dotted `model.…` keys replaced. Raises InvalidRequest that lists every wrong one."""
    changed = {key.removeprefix("model."): value for key, value in settings.items()}
    try:
        return ModelSection.model_validate({**base.model_dump(), **changed})
    except ValidationError as error:
        raise InvalidRequest("; ".join(describe(error, ModelSection, "model")), code="bad_setting") from None


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read as TOML: {error}", transient=is_transient(error)) from error
