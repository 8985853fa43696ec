"""What one supervisor is started with."""

from dataclasses import dataclass, field
from pathlib import Path

from supervisor import config as configuration
from supervisor.config import Config, ModelSection
from supervisor.core.gate import Check
from supervisor.manager.activation import Inherited
from supervisor.manager.notifier import Notifier
from supervisor.paths import StatePaths
from supervisor.workers.process import WORKER_PROGRAM


@dataclass(frozen=True, slots=True)
class Settings:
    """The configuration as it was read at the start, and where everything lies."""

    config: Config
    config_path: Path | None
    paths: StatePaths
    control_socket: Path
    worker_program: tuple[str, ...] = WORKER_PROGRAM
    # What the service manager passed, and wants to hear; nothing without one.
    inherited: Inherited = field(default_factory=Inherited)
    manager: Notifier = field(default_factory=Notifier)

    def model_section(self) -> ModelSection:
        """`[model]` as the file says it now, since a deployment takes up what was edited."""
        return configuration.load(self.config_path).model

    def gate(self) -> tuple[Check, ...]:
        """`[[gate]]` as the file says it now, for the same reason."""
        return configuration.load(self.config_path).gate_checks()
