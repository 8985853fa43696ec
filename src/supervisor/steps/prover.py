"""Step 6, after the warm-up: the proof that the standby shares its weights, and what it holds for later forecasts."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from supervisor.core import account, ledger
from supervisor.core.sharing import Memory, judge
from supervisor.core.state import Color, State
from supervisor.errors import WorkerError
from supervisor.memory.appraisal import Appraiser
from supervisor.memory.holdings import mapped
from supervisor.memory.messages import observation_report, plain, sharing_evidence
from supervisor.memory.usage import file_mapping, measure, tells_weights_apart
from supervisor.releases.baseline import recorded_section
from supervisor.releases.model_file import model_path, shape_of
from supervisor.releases.store import Release
from supervisor.workers.probe import Probe
from supervisor.workers.workforce import Workforce


@dataclass(frozen=True, slots=True)
class Proven:
    """The proof in a line, and as what is kept."""

    detail: str
    evidence: dict[str, object]


@dataclass(frozen=True, slots=True)
class Prover:
    """Joins what the worker tells, what the system shows and what was forecast."""

    probe: Probe
    workforce: Workforce
    appraiser: Appraiser
    state: Callable[[], State]

    async def prove(self, color: Color) -> Proven:
        """Raises WorkerError, with the numbers, when the worker holds weights of its own."""
        release, slot = self._release(color), self.state().slots[color]
        section, model = recorded_section(release), mapped(self.workforce.model(slot) or release.model)
        shape = await shape_of(model_path(section))
        subject, forecast = self.appraiser.forecast(section, shape, release.model.sha256)
        held = [each.holding for each in await self.appraiser.holdings.now(self.state()) if each.color is not color]
        others = account.shared_with(held, model)
        load, memory = await self.probe.load(color), await self._memory(color, model, bool(others))
        found = judge(load, model.size_bytes, forecast, memory, others)
        if isinstance(found, str):
            told = f"the {color} worker does not share its weights: {found}"
            raise WorkerError(told, code="weights_not_shared", transient=False)
        evidence: dict[str, object] = {"sharing": sharing_evidence(found)}
        if memory.private_bytes is not None and not load.device_bytes:
            seen = ledger.Observation(subject, forecast.formula_bytes, memory.private_bytes)
            evidence["observation"] = plain(observation_report(seen))
        return Proven(found.detail, evidence)

    async def _memory(self, color: Color, model: account.Mapped, shared: bool) -> Memory:
        """Private bytes only where no mapped page of weights can be among them."""
        process = self.workforce.processes.process(self.state().slots[color].worker_id)
        measured = await asyncio.to_thread(measure, process)
        if process is None or measured is None:
            return Memory()
        mapping = await asyncio.to_thread(file_mapping, process.pid, model.identity)
        private = measured.private_bytes if shared or tells_weights_apart() else None
        return Memory(private, measured.pss_bytes, mapping)

    def _release(self, color: Color) -> Release:
        number = self.state().slots[color].release
        if number is None:
            raise WorkerError(f"{color} has no release to compare with")
        return self.workforce.releases.read(number)
