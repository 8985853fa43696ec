"""Step 3: from what was asked to a release that can be served beside what runs."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from modelsvc import __version__
from modelsvc.models import demo_model_path
from supervisor import model_file
from supervisor.baseline import Baseline, recorded_section
from supervisor.config import Config, ModelSection, with_settings
from supervisor.core import effects as fx
from supervisor.core import ledger
from supervisor.core.state import Change, State
from supervisor.errors import Refused
from supervisor.journal import rfc3339
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
    """Checks what is asked for against disk, memory and the model file, and records the release."""

    config: Config
    paths: StatePaths
    releases: ReleaseStore
    workforce: Workforce
    baseline: Baseline
    state: Callable[[], State]

    async def admit(self, order: fx.Admit) -> Admitted:
        """Make the release, or take the recorded one. Raises Refused or InvalidRequest with what is in the way."""
        self._check_disk()
        if order.release is not None:
            return await self._admit_again(order, self.releases.read(order.release))
        section = changed(self.baseline.section(order.base), order.change)
        shape = await model_file.inspect(model_path(section))
        account = self._check_memory(order, section, shape)
        release = await self._make(order.number, section)
        self.releases.write(release)
        return Admitted(release.number, f"release {release.number}: {account}")

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
        free = shutil.disk_usage(self.paths.root).free
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


def model_path(section: ModelSection) -> Path:
    """The model file; the built-in demo model when none is named."""
    return Path(section.path).expanduser().absolute() if section.path else demo_model_path()
