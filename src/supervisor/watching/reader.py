"""What the files say: the configuration, the model file that it comes to, and what is wrong with either."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from supervisor import config as configuration
from supervisor.config import Config, ModelSection
from supervisor.config.sections import Effect, Section
from supervisor.core.desired import Desired, ReleaseSpec
from supervisor.errors import SupervisorError
from supervisor.releases import model_file
from supervisor.releases.baseline import Baseline
from supervisor.releases.model_file import model_path
from supervisor.releases.spec import serving, settings_of, wanted
from supervisor.releases.store import Release, ReleaseStore
from supervisor.watching.looks import Looks


@dataclass(frozen=True, slots=True)
class Seen:
    """A look at the files. There is `desired`, and the section it comes from, or `problem` with all that is wrong."""

    serving: ReleaseSpec | None
    desired: Desired | None
    problem: str = ""
    needs_restart: tuple[str, ...] = ()
    section: ModelSection | None = None
    transient: bool = False  # the problem may go away though nobody touches the files


@dataclass(slots=True)
class Reader:
    """`running` is the configuration that the supervisor was started with, `active` the release that serves now."""

    path: Path
    running: Config
    baseline: Baseline
    releases: ReleaseStore
    active: Callable[[], int | None]
    _model: Path = field(init=False)

    def __post_init__(self) -> None:
        self._model = model_path(self.running.model)

    def paths(self) -> tuple[Path, ...]:
        """The files that matter: the configuration, and the model file it came to when last looked at."""
        return self.path, self._model

    async def look(self, looks: Looks) -> Seen:
        """Whatever is wrong with the files is part of the answer."""
        needs: tuple[str, ...] = ()
        serves: ReleaseSpec | None = None
        try:
            release = self._release()
            serves = serving(release) if release else None
            config = await looks.take(lambda: configuration.load(self.path))
            needs = needs_restart(self.running, config)
            return Seen(serves, await self._desired(config, release), "", needs, config.model)
        except SupervisorError as error:
            return Seen(serves, None, error.message, needs, transient=error.transient)

    def _release(self) -> Release | None:
        number = self.active()
        return None if number is None else self.releases.read(number)

    async def _desired(self, config: Config, release: Release | None) -> Desired:
        """Raises Refused when the model file cannot be served."""
        section = self.baseline.section(release.number if release else None, config.model)
        self._model = path = model_path(section)
        spec = await wanted(section, self.running.security, release.model if release else None)
        if release is None or spec.sha256 != release.model.sha256:
            await model_file.shape_of(path)
        said = {**settings_of(config.model), "path": str(model_path(config.model))}
        return Desired(said, spec, circumstances(self.running, config))


def circumstances(running: Config, edited: Config) -> str:
    """A digest of what a deployment meets beside its release: limits as they run, and the gate as it is configured."""
    fixed = running.model_dump(mode="json", exclude={"model", "gate", "watch"})
    gate = [check.model_dump(mode="json") for check in edited.gate]
    return hashlib.sha256(json.dumps([fixed, gate], sort_keys=True).encode()).hexdigest()


def needs_restart(running: Config, edited: Config) -> tuple[str, ...]:
    """The keys whose values differ, and which are read at the start only."""
    tables = ((name, getattr(running, name), getattr(edited, name)) for name in Config.model_fields)
    return tuple(key for table in tables for key in _edited(*table))


def _edited(name: str, before: object, after: object) -> tuple[str, ...]:
    if isinstance(before, Section) and isinstance(after, Section):
        keys = type(before).model_fields if before.effect is Effect.START else ()
        return tuple(f"{name}.{key}" for key in keys if getattr(before, key) != getattr(after, key))
    return (name,) if before != after and name != "gate" else ()
