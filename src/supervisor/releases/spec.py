"""Releases and `[model]` sections as specs, which can be compared: for what is booted, and for the watch on files."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypedDict

from modelsvc import __version__
from supervisor.config import ModelSection, SecuritySection
from supervisor.core.desired import ReleaseSpec, differences
from supervisor.core.state import Change, SettingValue
from supervisor.releases import model_file
from supervisor.releases.model_file import model_path
from supervisor.releases.store import ModelFile, Release


class Enforced(TypedDict):
    """The keys of `[security]` that a release holds, as `ReleaseSpec` has them."""

    allowed_hosts: tuple[str, ...]
    allowed_origins: tuple[str, ...]


def enforced(security: SecuritySection) -> dict[str, list[str]]:
    """What workers enforce besides running the model, as a release holds it."""
    return security.model_dump(include=set(Enforced.__required_keys__))


def serving(release: Release) -> ReleaseSpec:
    """What a release serves; settings it does not know yet have their defaults."""
    settings = {**settings_of(ModelSection()), **release.model_settings(tuple(settings_of(ModelSection())))}
    model = release.model
    return ReleaseSpec(settings, model.path, model.sha256, release.package_version, **_enforced_by(release.settings))


async def wanted(section: ModelSection, security: SecuritySection, known: ModelFile | None = None) -> ReleaseSpec:
    """What a deployment of the section would serve. `known` spares reading a file that is as recorded.

    Raises Refused when there is no model file, or it cannot be read.
    """
    model = await model_file.identify(model_path(section), known)
    return ReleaseSpec(settings_of(section), model.path, model.sha256, __version__, **_enforced_by(enforced(security)))


def superseded(release: Release, security: SecuritySection) -> str:
    """Which hosts and origins the release holds that are configured otherwise now; empty when none are."""
    held = serving(release)
    return ", ".join(differences(held, replace(held, **_enforced_by(enforced(security)))))


def _enforced_by(settings: Mapping[str, Any]) -> Enforced:
    """A release may not know all of them yet."""
    hosts, origins = settings.get("allowed_hosts", ()), settings.get("allowed_origins", ())
    return Enforced(allowed_hosts=tuple(hosts), allowed_origins=tuple(origins))


def whole(path: str, settings: Mapping[str, SettingValue]) -> Change:
    """A change that names everything, so that a deployment starts from nothing else."""
    return Change(path, {f"model.{key}": value for key, value in settings.items()})


def settings_of(section: ModelSection) -> dict[str, SettingValue]:
    """All keys but the path."""
    return section.model_dump(exclude={"path"})
