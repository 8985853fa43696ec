"""Releases: immutable, numbered records of what a worker runs, one TOML file each."""

import tomllib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import tomli_w

from supervisor.core.state import SettingValue
from supervisor.errors import JournalError, NotFound
from supervisor.files import publish


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A model file as it was when it was admitted: an overwritten one is not the same any more."""

    path: str
    sha256: str
    size_bytes: int
    mtime_ns: int
    inode: int


@dataclass(frozen=True, slots=True)
class Release:
    """What a worker runs. `settings` are the `[model]` keys without `path`, and what the worker enforces besides."""

    number: int
    created_at: str
    package_version: str
    model: ModelFile
    settings: dict[str, Any]

    def model_settings(self, keys: tuple[str, ...]) -> dict[str, SettingValue]:
        """Those of `keys` that the release holds."""
        return {key: self.settings[key] for key in keys if key in self.settings}


class ReleaseStore:
    """The folder of releases."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, number: int) -> Path:
        return self._folder / f"{number:04d}.toml"

    def write(self, release: Release) -> None:
        """Publish the record; it is never changed afterwards. Raises StorageError when the disk refuses it."""
        publish(self.path(release.number), tomli_w.dumps(asdict(release)))

    def read(self, number: int) -> Release:
        """The record of that number. Raises NotFound, or JournalError when it cannot be read."""
        path = self.path(number)
        try:
            return _from_toml(tomllib.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            raise NotFound(f"there is no release {number} ({path} does not exist)", code="no_release") from None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise JournalError(
                f"release {number} cannot be read from {path} ({error!r}): move the file away, and deploy again"
            ) from error

    def last(self) -> int:
        """The highest number given out so far; 0 when there is none."""
        return max((int(path.stem) for path in self._folder.glob("[0-9]*.toml") if path.stem.isdecimal()), default=0)


def _from_toml(values: dict[str, Any]) -> Release:
    return Release(
        number=values["number"],
        created_at=values["created_at"],
        package_version=values["package_version"],
        model=ModelFile(**values["model"]),
        settings=values["settings"],
    )
