"""Step 3: from what was asked to a release that can be served beside what runs."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from modelsvc import __version__
from modelsvc.models import demo_model_path
from supervisor import model_file
from supervisor.config import Config, ModelSection, describe, with_settings
from supervisor.core import effects as fx
from supervisor.core import ledger
from supervisor.core.state import Change, State
from supervisor.errors import Refused
from supervisor.journal import Journal, rfc3339
from supervisor.memory import free_disk_bytes
from supervisor.paths import StatePaths
from supervisor.releases import Release, ReleaseStore
from supervisor.workforce import Workforce

DISK_RESERVE_BYTES = 50_000_000  # for journal, history and logs


@dataclass(frozen=True, slots=True)
class Admitted:
    """The release that may be started, and the account of it."""

    release: int
    detail: str


@dataclass(frozen=True, slots=True)
class Admission:
    """`configured` reads the `[model]` section as it is in the configuration file now."""

    config: Config
    paths: StatePaths
    releases: ReleaseStore
    journal: Journal
    workforce: Workforce
    state: Callable[[], State]
    configured: Callable[[], ModelSection]

    async def admit(self, order: fx.Admit) -> Admitted:
        """Make the release, or take the recorded one. Raises Refused or InvalidRequest with what is in the way."""
        self._check_disk()
        if order.release is not None:
            return await self._admit_again(order, self.releases.read(order.release))
        section = changed(self.baseline(order.base), order.change)
        shape = await model_file.inspect(model_path(section))
        account = self._check_memory(order, section, shape)
        release = await self._make(order.number, section)
        self.releases.write(release)
        self.journal.remember(_basis(release.number), self.configured().model_dump())
        return Admitted(release.number, f"release {release.number}: {account}")

    def baseline(self, number: int | None) -> ModelSection:
        """What a change is applied to: the release's settings, or the configuration's where it was edited since."""
        now = self.configured()
        if number is None or self.journal.fact(_basis(number)) != now.model_dump():
            return now
        return recorded_section(self.releases.read(number))

    async def _admit_again(self, order: fx.Admit, release: Release) -> Admitted:
        model_file.verify_unchanged(release.model)
        section = recorded_section(release)
        account = self._check_memory(order, section, await model_file.inspect(model_path(section)))
        return Admitted(release.number, f"release {release.number} again: {account}")

    async def _make(self, number: int, section: ModelSection) -> Release:
        settings = section.model_dump(exclude={"path"})
        settings["allowed_hosts"] = list(self.config.security.allowed_hosts)
        made_at = rfc3339(datetime.now(UTC).timestamp())
        return Release(number, made_at, __version__, await model_file.identify(model_path(section)), settings)

    def _check_disk(self) -> None:
        free = free_disk_bytes(str(self.paths.root))
        if free < DISK_RESERVE_BYTES:
            raise Refused(
                f"{self.paths.root} has {ledger.mb(free)} free, and {ledger.mb(DISK_RESERVE_BYTES)} are needed:"
                " free the disk",
                code="disk_full",
            )

    def _check_memory(self, order: fx.Admit, section: ModelSection, shape: ledger.ModelShape) -> str:
        usages = self.workforce.usages(self.state(), without=order.to_color)
        needed = ledger.forecast(shape, section.context_tokens, section.kv_cache)
        why = ledger.refusal(
            needed,
            str(model_path(section).stat().st_ino),
            usages,
            self.config.budget_bytes,
            self.config.worker_limit_bytes,
        )
        if why:
            raise Refused(why, code="memory_short")
        used, _ = ledger.total(usages)
        return (
            f"needs about {ledger.mb(needed.private_bytes)} of its own beside {ledger.mb(used)}"
            f" of {ledger.mb(self.config.budget_bytes)}"
        )


def changed(base: ModelSection, change: Change) -> ModelSection:
    """The section a deployment runs. Raises InvalidRequest that lists every wrong value."""
    settings = dict(change.settings)
    if change.path is not None:
        settings["model.path"] = change.path
    return with_settings(base, settings)


def recorded_section(release: Release) -> ModelSection:
    """A release's `[model]` section, as it was admitted. Raises Refused when this version cannot run it."""
    keys = tuple(ModelSection.model_fields)
    try:
        return ModelSection.model_validate({**release.model_settings(keys), "path": release.model.path})
    except ValidationError as error:
        problems = "; ".join(describe(error, "model"))
        raise Refused(
            f"release {release.number} of modelsvc {release.package_version} does not suit this version: {problems};"
            " name these settings with `modelsvc ctl deploy --set`, or in the configuration",
            code="release_outdated",
        ) from None


def model_path(section: ModelSection) -> Path:
    """The model file; the built-in demo model when none is named."""
    return Path(section.path).expanduser().absolute() if section.path else demo_model_path()


def _basis(release: int) -> str:
    """The fact that keeps the `[model]` section a release was made under."""
    return f"config_of_release/{release}"
