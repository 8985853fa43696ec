"""Step 3: from what was asked to a release that can be served beside what runs."""

import shutil
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from modelsvc import __version__
from supervisor.config import Config, ModelSection, with_settings
from supervisor.core import effects as fx
from supervisor.core import ledger
from supervisor.core.state import Change, Color
from supervisor.errors import Refused, SupervisorError
from supervisor.formats import rfc3339
from supervisor.memory.appraisal import Appraisal, Appraiser
from supervisor.memory.messages import account_report, forecast_report, plain
from supervisor.paths import StatePaths
from supervisor.protocol import Plan
from supervisor.releases import model_file
from supervisor.releases.baseline import Baseline, recorded_section
from supervisor.releases.spec import enforced, serving, settings_of
from supervisor.releases.store import Release, ReleaseStore

DISK_RESERVE_BYTES = 50_000_000  # for journal, history and logs


@dataclass(frozen=True, slots=True)
class Admitted:
    """The release that may be started, and the account of it."""

    release: int
    detail: str
    evidence: Mapping[str, object] = field(default_factory=dict)


async def _nothing() -> None:
    """There is no monitor."""


@dataclass(frozen=True, slots=True)
class Admission:
    """Checks what is asked for against disk, memory and the model file, and records the release."""

    config: Config
    paths: StatePaths
    releases: ReleaseStore
    baseline: Baseline
    appraiser: Appraiser
    free_monitor: Callable[[], Awaitable[None]] = _nothing  # stops the managed Prometheus

    async def admit(self, order: fx.Admit) -> Admitted:
        """Make the release, or take the recorded one. Raises Refused or InvalidRequest with what is in the way."""
        self._check_disk()
        is_recorded = order.release is not None
        release, appraisal = await (self._new(order) if order.release is None else self._recorded(order, order.release))
        evidence = _evidence(order, release, appraisal)
        if not appraisal.verdict.admitted:
            verdict = appraisal.verdict
            raise Refused(verdict.message, code=verdict.code, evidence=evidence, transient=verdict.transient)
        if appraisal.monitor_leaves:
            await self.free_monitor()
        if not is_recorded:
            self.releases.write(release)
        again = " again" if is_recorded else ""
        return Admitted(release.number, f"release {release.number}{again}: {_summary(appraisal)}", evidence)

    async def plan(self, order: fx.Admit) -> Plan:
        """What `admit` would do with the order, without doing it. Raises what it would raise, but for the memory."""
        self._check_disk()
        appraisal = await self._appraise(order, changed(self.baseline.section(order.base), order.change))
        verdict = appraisal.verdict
        return Plan(
            admitted=verdict.admitted,
            code=verdict.code,
            reason="" if verdict.admitted else verdict.message,
            release=order.number,
            model_path=appraisal.model.path,
            model_sha256=appraisal.model.sha256,
            settings=settings_of(appraisal.section),
            changed=self._changed(order.base, appraisal),
            in_place=order.in_place,
            forecast=forecast_report(appraisal.forecast),
            account=account_report(verdict.account),
            monitor_leaves=appraisal.monitor_leaves,
        )

    async def _new(self, order: fx.Admit) -> tuple[Release, Appraisal]:
        """What the order makes of the release it starts from; not on record yet."""
        appraisal = await self._appraise(order, await self._section(order))
        return self._release(order.number, appraisal), appraisal

    async def _section(self, order: fx.Admit) -> ModelSection:
        if order.renews is None:
            return changed(self.baseline.section(order.base), order.change)
        return recorded_section(await self._unchanged(order.renews))

    async def _unchanged(self, number: int) -> Release:
        """The recorded release. Raises Refused when its model file is another one now."""
        release = self.releases.read(number)
        await model_file.verify_unchanged(release.model)
        return release

    async def _recorded(self, order: fx.Admit, number: int) -> tuple[Release, Appraisal]:
        release = await self._unchanged(number)
        return release, await self._appraise(order, recorded_section(release))

    async def _appraise(self, order: fx.Admit, section: ModelSection) -> Appraisal:
        return await self.appraiser.appraise(section, set(Color) if order.in_place else {order.to_color})

    def _release(self, number: int, appraisal: Appraisal) -> Release:
        settings = {**settings_of(appraisal.section), **enforced(self.config.security)}
        return Release(number, rfc3339(datetime.now(UTC).timestamp()), __version__, appraisal.model, settings)

    def _changed(self, base: int | None, appraisal: Appraisal) -> dict[str, list[object]]:
        """Settings and model that differ from the release that serves: before and after."""
        try:
            before = self.releases.read(base) if base is not None else None
        except SupervisorError:
            return {}
        if before is None:
            return {}
        was = {**serving(before).settings, "model": before.model.sha256}
        now = {**settings_of(appraisal.section), "model": appraisal.model.sha256}
        return {key: [was.get(key), now[key]] for key in now if was.get(key) != now[key]}

    def _check_disk(self) -> None:
        free = shutil.disk_usage(self.paths.root).free
        if free < DISK_RESERVE_BYTES:
            raise Refused(
                f"{self.paths.root} has {ledger.mb(free)} free, and {ledger.mb(DISK_RESERVE_BYTES)} are needed:"
                " free the disk",
                code="disk_full",
                transient=True,
            )


def changed(base: ModelSection, change: Change) -> ModelSection:
    """The section a deployment runs. Raises InvalidRequest that lists every wrong value."""
    settings = dict(change.settings)
    if change.path is not None:
        settings["model.path"] = change.path
    return with_settings(base, settings)


def _evidence(order: fx.Admit, release: Release, appraisal: Appraisal) -> dict[str, object]:
    asked = {"model": order.change.path, "settings": dict(order.change.settings), "in_place": order.in_place}
    model = {"path": release.model.path, "sha256": release.model.sha256, "size_bytes": release.model.size_bytes}
    return {
        "asked": asked,
        "release": release.number,
        "base": order.base,
        "model": model,
        "settings": settings_of(appraisal.section),
        "package_version": release.package_version,
        "forecast": plain(forecast_report(appraisal.forecast)),
        "account": plain(account_report(appraisal.verdict.account)),
    }


def _summary(appraisal: Appraisal) -> str:
    account = appraisal.verdict.account
    return (
        f"needs about {ledger.mb(appraisal.forecast.private_bytes)} of its own;"
        f" {ledger.mb(account.sum_bytes)} of {ledger.mb(account.limit_bytes)} with it"
        f"{'; Prometheus is stopped for it' if appraisal.monitor_leaves else ''}"
    )
