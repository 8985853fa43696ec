"""The whole file, and what decisions need of it."""

from typing import Self

from pydantic import Field, model_validator

from supervisor.config.sections import (
    ControlSection,
    DeploySection,
    EdgeSection,
    GateSection,
    HookSection,
    MemorySection,
    ModelSection,
    MonitorSection,
    Section,
    SecuritySection,
    WatchSection,
    WorkersSection,
)
from supervisor.config.values import BYTES_PER_GB
from supervisor.core.bake import Limits
from supervisor.core.gate import Check
from supervisor.core.state import Color, Policy
from supervisor.listen import split_listen


class Config(Section):
    """The whole file; an absent key has its default."""

    model: ModelSection = ModelSection()
    edge: EdgeSection = EdgeSection()
    workers: WorkersSection = WorkersSection()
    memory: MemorySection = MemorySection()
    deploy: DeploySection = DeploySection()
    control: ControlSection = ControlSection()
    monitor: MonitorSection = MonitorSection()
    security: SecuritySection = SecuritySection()
    watch: WatchSection = WatchSection()
    gate: list[GateSection] = Field([], max_length=100)
    hook: list[HookSection] = Field([], max_length=20)

    @model_validator(mode="after")
    def _ports_differ(self) -> Self:
        ports = {
            "edge.listen": split_listen(self.edge.listen)[1],
            "workers.blue_port": self.workers.blue_port,
            "workers.green_port": self.workers.green_port,
            "control.metrics_listen": split_listen(self.control.metrics_listen)[1],
            "monitor.listen": split_listen(self.monitor.listen)[1],
        }
        users = {port: [key for key, its in ports.items() if its == port] for port in ports.values()}
        clashes = [f"{' and '.join(keys)} use the same port {port}" for port, keys in users.items() if len(keys) > 1]
        if clashes:
            raise ValueError(f"{'; '.join(clashes)}: give each its own")
        return self

    def port(self, color: Color) -> int:
        return self.workers.blue_port if color is Color.BLUE else self.workers.green_port

    @property
    def budget_bytes(self) -> int:
        return round(self.memory.budget_gb * BYTES_PER_GB)

    @property
    def worker_limit_bytes(self) -> int:
        return round(self.memory.worker_limit_gb * BYTES_PER_GB)

    def gate_checks(self) -> tuple[Check, ...]:
        return tuple(Check(**section.model_dump()) for section in self.gate)

    def bake_limits(self) -> Limits:
        return Limits(self.deploy.bake_max_error_rate, self.deploy.bake_max_latency_ratio)

    def policy(self) -> Policy:
        """The limits the planner decides by."""
        return Policy(
            ready_timeout_s=self.deploy.ready_timeout_s,
            drain_timeout_s=self.deploy.drain_timeout_s,
            bake_s=self.deploy.bake_s,
            stop_timeout_s=self.workers.stop_timeout_s,
            keep_previous=self.deploy.keep_previous,
            crash_limit=self.workers.crash_limit,
            worker_limit_bytes=self.worker_limit_bytes,
            budget_bytes=self.budget_bytes,
        )
