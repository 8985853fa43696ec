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
from supervisor.core.steps import Step, StepState
from supervisor.errors import ConfigError, Refused
from supervisor.journal import Journal
from supervisor.protocol import DeploymentStatus
from supervisor.releases import Release, ReleaseStore

SEEN, PREWARMED = "model_section_seen", "model_section_prewarmed"
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
        """Remember the section whenever what an operator asked for succeeds.

        What the supervisor began by itself says nothing about what is wanted. What is prewarmed was made from the
        section as it was then, so it is that one which its deployment settles.
        """
        if not isinstance(record, rec.RequestEnded) or record.outcome is not Outcome.SUCCEEDED:
            return
        deployment = self.journal.deployment(record.deployment) if record.deployment else None
        if deployment is None:
            return
        if deployment.kind is DeploymentKind.PREWARM:
            self._remember(PREWARMED)
        elif deployment.kind is DeploymentKind.DEPLOY and _was_prewarmed(deployment):
            self.journal.remember(SEEN, self.journal.fact(PREWARMED))
        elif deployment.kind in BY_OPERATORS:
            self._remember(SEEN)

    def _remember(self, name: str) -> None:
        try:
            self.journal.remember(name, self.configured().model_dump())
        except ConfigError:  # being edited just now: what is written next counts as new
            return


def _was_prewarmed(deployment: DeploymentStatus) -> bool:
    return any(step.number == Step.ADMIT and step.state is StepState.SKIPPED for step in deployment.steps)


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
