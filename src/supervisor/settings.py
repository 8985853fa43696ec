"""What one supervisor is started with."""

from dataclasses import dataclass, field
from pathlib import Path

from supervisor import config as configuration
from supervisor.config import Config, ModelSection
from supervisor.core.gate import Check
from supervisor.errors import ConfigError
from supervisor.lock import Held
from supervisor.manager.activation import Inherited
from supervisor.manager.notifier import Notifier
from supervisor.offload import run_within_blocking
from supervisor.paths import StatePaths
from supervisor.workers.process import WORKER_PROGRAM
from supervisor.workers.worker_ports import WorkerPorts

READ_LIMIT_S = 1.0


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
    lock: Held | None = None  # on the state folder
    ports: WorkerPorts = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "ports", WorkerPorts(self.config))  # the way of frozen dataclasses

    def model_section(self) -> ModelSection:
        """`[model]` as the file says it now, since a deployment takes up what was edited."""
        return self._now().model

    def gate(self) -> tuple[Check, ...]:
        """`[[gate]]` as the file says it now, for the same reason."""
        return self._now().gate_checks()

    def _now(self) -> Config:
        """Read off the loop, which is not held up for long by a file system that hangs. Raises ConfigError."""
        path = self.config_path
        if path is None:
            return configuration.load(None)
        try:
            return run_within_blocking(path, lambda: configuration.load(path), READ_LIMIT_S)
        except TimeoutError as error:
            raise ConfigError(f"{path} cannot be read: {error.strerror}", transient=True) from None
