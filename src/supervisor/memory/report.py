"""GET /v1/memory and POST /v1/plan: the ledger for people."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from supervisor.core import account
from supervisor.core import effects as fx
from supervisor.core.ledger import Observation
from supervisor.core.state import Change, Color, State
from supervisor.errors import SupervisorError
from supervisor.memory.appraisal import Appraiser
from supervisor.memory.holdings import Held
from supervisor.memory.machine import available
from supervisor.memory.messages import forecast_report, observation_report
from supervisor.protocol import ForecastReport, MemoryReport, ModelReport, Plan, ProcessReport
from supervisor.releases.baseline import recorded_section
from supervisor.releases.model_file import model_path, shape_of
from supervisor.steps.admission import Admission

OBSERVATIONS_SHOWN = 10


@dataclass(frozen=True, slots=True)
class MemoryReporter:
    """Looks and forecasts; changes nothing."""

    admission: Admission
    state: Callable[[], State]

    @property
    def appraiser(self) -> Appraiser:
        return self.admission.appraiser

    async def report(self) -> MemoryReport:
        state = self.state()
        held = await self.appraiser.holdings.now(state)
        holdings = [each.holding for each in held]
        used, shared = account.total(holdings)
        machine = await asyncio.to_thread(available)
        return MemoryReport(
            budget_bytes=self.admission.config.budget_bytes,
            used_bytes=used,
            shared_bytes=shared,
            available_bytes=machine.available_bytes,
            available_of=machine.source,
            processes=[_process(each) for each in held],
            models=[_model(model, holdings) for model in account.models(holdings)],
            forecast=await self.forecast(state),
            observations=[observation_report(seen) for seen in self._observations()],
        )

    async def forecast(self, state: State) -> ForecastReport | None:
        """Of a standby with the active release; None without one, or when its file cannot be read any more."""
        with suppress(SupervisorError):
            if state.active_release is not None:
                release = self.admission.releases.read(state.active_release)
                section = recorded_section(release)
                shape = await shape_of(model_path(section))
                return forecast_report(self.appraiser.forecast(section, shape, release.model.sha256)[1])
        return None

    async def forecast_bytes(self, state: State) -> int | None:
        """The same in a number."""
        found = await self.forecast(state)
        return found.private_bytes if found else None

    async def plan(self, change: Change, in_place: bool) -> Plan:
        """What a deployment that is asked for now would be. Raises Refused, InvalidRequest."""
        state = self.state()
        to_color = state.active.other if state.active else Color.BLUE
        order = fx.Admit(0, to_color, change, state.active_release, state.last_release + 1, in_place=in_place)
        return await self.admission.plan(order)

    async def refusal(self, change: Change) -> str:
        """What a deployment that is asked for now would be refused with; empty when it fits. Raises as `plan`."""
        return (await self.plan(change, in_place=False)).reason

    async def standby_bytes(self, state: State) -> int:
        """What a deployment of the active release would still take; 0 when its standby is there, or nothing serves."""
        standby = state.standby
        if standby is None or standby.pid is not None:
            return 0
        return await self.forecast_bytes(state) or 0

    def _observations(self) -> list[Observation]:
        return self.appraiser.journal.observations()[: -OBSERVATIONS_SHOWN - 1 : -1]


def _process(held: Held) -> ProcessReport:
    memory = held.memory
    return ProcessReport(
        who=held.who,
        pids=list(held.pids),
        rss_bytes=memory.rss_bytes,
        uss_bytes=memory.uss_bytes,
        private_bytes=memory.private_bytes,
        pss_bytes=memory.pss_bytes,
    )


def _model(model: account.Mapped, holdings: list[account.Holding]) -> ModelReport:
    return ModelReport(name=model.name, size_bytes=model.size_bytes, mapped_by=account.shared_with(holdings, model))
