"""What a model would need: asked of the daemon, which knows what runs, else reckoned here."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from modelsvc.cli.model import Target
from modelsvc.cli.text import headline
from supervisor import offline
from supervisor.client import ControlClient
from supervisor.config import Config
from supervisor.errors import SupervisorError
from supervisor.paths import control_socket
from supervisor.protocol import AccountReport, DeployRequest, ExitCode, ForecastReport, Plan, SettingValue


@dataclass(frozen=True, slots=True)
class Outlook:
    """`reason` says why it does not fit; empty when it does."""

    running: bool
    settings: Mapping[str, SettingValue]
    forecast: ForecastReport
    account: AccountReport
    reason: str


def outlook(target: Target, path: Path, facts: Mapping[str, object], config: Config) -> Outlook:
    """Of a worker with the configured settings. Raises Refused where the daemon would refuse the file itself."""
    settings: dict[str, SettingValue] = config.model.model_dump(exclude={"path"})
    if plan := _planned(target, path, settings):
        return Outlook(True, settings, plan.forecast, plan.account, headline(plan.reason))
    found = offline.fit(target.paths, config, offline.identify(path), facts)
    return Outlook(False, settings, found.forecast, found.account, found.reason)


def _planned(target: Target, path: Path, settings: Mapping[str, SettingValue]) -> Plan | None:
    """None when no daemon runs."""
    asked = DeployRequest(model=str(path), settings={f"model.{key}": value for key, value in settings.items()})
    client = ControlClient(control_socket(target.config_file))
    try:
        client.status()  # a daemon that hangs is known by this at once; a plan may take minutes
        return client.plan(asked)
    except SupervisorError as error:
        if error.exit_code is ExitCode.UNREACHABLE:
            return None
        raise
