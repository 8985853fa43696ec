"""What a deployment starts from: the release that serves, or the `[model]` section where it was edited since.

The operator's latest word counts: an edit of the configuration, or a deployment, rollback or swap that succeeded. So
the section is remembered as it was when something succeeded, and compared with what it is now.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from modelsvc.models import demo_model_path
from supervisor.config import ModelSection, describe
from supervisor.core import records as rec
from supervisor.core.state import DeploymentKind, Outcome
from supervisor.errors import ConfigError, Refused
from supervisor.journal import Journal
from supervisor.releases import Release, ReleaseStore

SEEN = "model_section_seen"
BY_OPERATORS = (DeploymentKind.DEPLOY, DeploymentKind.ROLLBACK, DeploymentKind.SWAP)


@dataclass(frozen=True, slots=True)
class Baseline:
    """`configured` reads the `[model]` section as it is in the configuration file now."""

    journal: Journal
    releases: ReleaseStore
    configured: Callable[[], ModelSection]

    def section(self, release: int | None) -> ModelSection:
        """What a change is applied to while `release` is the one that serves."""
        now = self.configured()
        if release is None or self.journal.fact(SEEN) != now.model_dump():
            return now
        return recorded_section(self.releases.read(release))

    def publish(self, record: rec.Record) -> None:
        """Remember the section whenever what an operator asked for succeeds."""
        if isinstance(record, rec.RequestEnded) and record.outcome is Outcome.SUCCEEDED and self._was_asked_for(record):
            try:
                self.journal.remember(SEEN, self.configured().model_dump())
            except ConfigError:  # being edited just now: what is written next counts as new
                return

    def _was_asked_for(self, record: rec.RequestEnded) -> bool:
        """What the supervisor began by itself, or what only got ready, says nothing about what is wanted."""
        deployment = self.journal.deployment(record.deployment) if record.deployment else None
        return deployment is not None and deployment.kind in BY_OPERATORS


def recorded_section(release: Release) -> ModelSection:
    """A release's `[model]` section, as it was admitted. Raises Refused when this version cannot run it."""
    keys = tuple(ModelSection.model_fields)
    try:
        return ModelSection.model_validate({**release.model_settings(keys), "path": _configured(release.model.path)})
    except ValidationError as error:
        problems = "; ".join(describe(error, "model"))
        raise Refused(
            f"release {release.number} of modelsvc {release.package_version} does not suit this version: {problems};"
            " name these settings with `modelsvc ctl deploy --set`, or in the configuration",
            code="release_outdated",
        ) from None


def _configured(path: str) -> str:
    """The built-in model moves with the installation: it is named by an empty path, as in the configuration."""
    built_in = Path(path).parts[-3:] == demo_model_path().parts[-3:]
    return "" if built_in else path
