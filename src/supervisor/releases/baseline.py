"""What a deployment starts from: the release that serves, or the `[model]` section where it was edited since.

The operator's latest word counts: an edit of the configuration, or a deployment, rollback or swap that succeeded. So
the section is remembered as it was when what then succeeded had begun, and compared with what it is now: an edit made
meanwhile is later, and still to come.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from modelsvc.models import demo_model_path
from supervisor.config import ModelSection, describe
from supervisor.core import records as rec
from supervisor.core.desired import BY_OPERATORS
from supervisor.core.state import REWARM_REQUEST, DeploymentKind, Outcome
from supervisor.core.steps import Step, StepState
from supervisor.errors import ConfigError, Refused
from supervisor.journal import Journal
from supervisor.protocol import DeploymentStatus
from supervisor.releases.store import Release, ReleaseStore

SEEN, PREWARMED, BEGUN = "model_section_seen", "model_section_prewarmed", "model_section_begun"


@dataclass(frozen=True, slots=True)
class Baseline:
    """`configured` reads the `[model]` section as it is in the configuration file now."""

    journal: Journal
    releases: ReleaseStore
    configured: Callable[[], ModelSection]

    def section(self, release: int | None, now: ModelSection | None = None) -> ModelSection:
        """What a change is applied to while `release` is the one that serves; `now` is what the file says, if known."""
        now = now or self.configured()
        if release is None or self._seen() != now.model_dump():
            return now
        return recorded_section(self.releases.read(release))

    def _seen(self) -> dict[str, object] | None:
        """As it was remembered; keys that there were not yet had their defaults."""
        seen = self.journal.fact(SEEN)
        return None if seen is None else {**ModelSection().model_dump(), **seen}

    def accord(self, section: ModelSection) -> None:
        """It was looked at, and what serves is in accord with it: it is no edit any more."""
        if self.journal.fact(SEEN) != section.model_dump():
            self.journal.remember(SEEN, section.model_dump())

    def publish(self, record: rec.Record) -> None:
        """Remember the section whenever what an operator asked for succeeds, as it was when that began."""
        match record:
            case rec.DeploymentBegan() | rec.RequestEnded() if record.request == REWARM_REQUEST:
                pass  # what was prewarmed before was made from the section of then
            case rec.DeploymentBegan(resumed=False):
                self.journal.remember(BEGUN, [record.deployment, self._now()])
            case rec.RequestEnded(outcome=Outcome.SUCCEEDED, deployment=int(number)):
                if deployment := self.journal.deployment(number):
                    self._succeeded(deployment)
            case _:
                pass

    def _succeeded(self, deployment: DeploymentStatus) -> None:
        """What the supervisor began by itself says nothing about what is wanted.

        What is prewarmed was made from the section as it was then, so it is that one which its deployment settles.
        """
        if deployment.kind is DeploymentKind.PREWARM:
            self._remember(PREWARMED, deployment)
        elif deployment.kind is DeploymentKind.DEPLOY and _was_prewarmed(deployment):
            self.journal.remember(SEEN, self.journal.fact(PREWARMED))
        elif deployment.kind in BY_OPERATORS:
            self._remember(SEEN, deployment)

    def _remember(self, name: str, deployment: DeploymentStatus) -> None:
        """Unless it was being edited when the deployment began: then what was written next counts as new."""
        number, section = self.journal.fact(BEGUN) or (None, None)
        if number != deployment.deployment:
            section = self._now()
        if section is not None:
            self.journal.remember(name, section)

    def _now(self) -> dict[str, object] | None:
        try:
            return self.configured().model_dump()
        except ConfigError:
            return None


def _was_prewarmed(deployment: DeploymentStatus) -> bool:
    return any(step.number == Step.ADMIT and step.state is StepState.SKIPPED for step in deployment.steps)


def recorded_section(release: Release) -> ModelSection:
    """A release's `[model]` section, as it was admitted. Raises Refused when this version cannot run it."""
    keys = tuple(ModelSection.model_fields)
    try:
        return ModelSection.model_validate({**release.model_settings(keys), "path": _configured(release.model.path)})
    except ValidationError as error:
        problems = "; ".join(describe(error, ModelSection, "model"))
        raise Refused(
            f"release {release.number} of modelsvc {release.package_version} does not suit this version: {problems};"
            " name these settings with `modelsvc ctl deploy --set`, or in the configuration",
            code="release_outdated",
        ) from None


def _configured(path: str) -> str:
    """The built-in model moves with the installation: it is named by an empty path, as in the configuration."""
    built_in = Path(path).parts[-3:] == demo_model_path().parts[-3:]
    return "" if built_in else path
