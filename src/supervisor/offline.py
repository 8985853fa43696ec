"""What can be known of a service without asking its daemon, whether it runs or not.

Everything is read only: nothing is locked, migrated or made.
"""

import asyncio
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from supervisor.config import Config
from supervisor.core import account, ledger
from supervisor.errors import NotFound
from supervisor.journal.past import Past
from supervisor.journal.peek import peek
from supervisor.memory.appraisal import forecast
from supervisor.memory.holdings import mapped
from supervisor.memory.machine import available
from supervisor.memory.messages import account_report, forecast_report
from supervisor.paths import StatePaths
from supervisor.protocol import AccountReport, ForecastReport
from supervisor.releases import model_file
from supervisor.releases.model_file import model_path
from supervisor.releases.store import ModelFile, ReleaseStore

# Private bytes that `modelsvc ctl memory` tells on Linux of supervisor and nginx, while one worker serves.
SERVICE_ITSELF = (account.Holding("supervisor", 60_000_000), account.Holding("nginx", 2_000_000))


@dataclass(frozen=True, slots=True)
class Need:
    """A model file that the service still needs. `release` is None where the configuration names the file."""

    path: Path
    release: int | None
    why: str


@dataclass(frozen=True, slots=True)
class Fit:
    """What a worker with a model would need, and whether that fits; `reason` says why not."""

    forecast: ForecastReport
    account: AccountReport
    reason: str = ""


def facts(path: Path) -> dict[str, object]:
    """The report of `modelsvc.engine.inspect`, by a process of its own. Raises Refused for what cannot be served."""
    return asyncio.run(model_file.facts(path))


def identify(path: Path) -> ModelFile:
    """The file's identity; all of it is read. Raises Refused when it cannot be."""
    return asyncio.run(model_file.identify(path))


def verify_unchanged(model: ModelFile) -> ModelFile:
    """The recorded file as it lies there now; read where it looks like another one. Raises Refused when it is one."""
    return asyncio.run(model_file.verify_unchanged(model))


def needs(paths: StatePaths, config: Config) -> tuple[Need, ...]:
    """The model files that releases in use need, and that of the configuration.

    Raises JournalError when the journal, or the record of such a release, cannot be read.
    """
    releases = ReleaseStore(paths.releases)
    found = [Need(model_path(config.model), None, "model.path of the configuration")] if config.model.path else []
    for number, why in _in_use(paths):
        with suppress(NotFound):  # a record that is gone can be neither started nor gone back to
            found.append(Need(Path(releases.read(number).model.path), number, why))
    return tuple(found)


def is_undecided(paths: StatePaths) -> bool:
    """Whether a deployment is under way, or was broken off, that has not said which model it needs."""
    if not os.path.lexists(paths.journal):
        return False
    with peek(paths.journal) as past:
        unfinished = past.unfinished()
    return unfinished is not None and unfinished.release is None


def fit(paths: StatePaths, config: Config, model: ModelFile, facts: Mapping[str, object]) -> Fit:
    """What a worker with this model and the configured settings would need, and whether that fits with no other worker.

    Raises JournalError when the journal, whose measurements correct the forecast, cannot be read.
    """
    shape = ledger.ModelShape.from_facts(facts)
    _, needed = forecast(config.model, shape, model.sha256, _observations(paths))
    limits = config.budget_bytes, config.worker_limit_bytes
    verdict = account.judge(needed, mapped(model), SERVICE_ITSELF, (), available(), *limits)
    return Fit(forecast_report(needed), account_report(verdict.account), verdict.reason)


def _in_use(paths: StatePaths) -> list[tuple[int, str]]:
    """Numbers of releases, each with what it is in use for, once."""
    if not os.path.lexists(paths.journal):
        return []
    with peek(paths.journal) as past:
        uses = {number: why for number, why in reversed(list(_uses(past))) if number is not None}
    return list(uses.items())


def _uses(past: Past) -> Iterator[tuple[int | None, str]]:
    route, unfinished = past.route(), past.unfinished()
    yield route.release, "the active release"
    yield unfinished.release if unfinished else None, "the release being deployed"
    yield past.fact("prewarmed"), "the prewarmed release"
    yield route.previous_release, "the release a rollback goes to"
    for worker in past.living_workers():
        yield worker.release, f"the {worker.color} worker's release"


def _observations(paths: StatePaths) -> list[ledger.Observation]:
    if not os.path.lexists(paths.journal):
        return []
    with peek(paths.journal) as past:
        return past.observations()
