"""What each step of a deployment does to the outside; when it is done, and what then, is decided elsewhere."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import assert_never

from supervisor.core import effects as fx
from supervisor.core.events import StepProgressed
from supervisor.core.state import Change, Color
from supervisor.edge import Edge
from supervisor.errors import WorkerError
from supervisor.steps.admission import Admission
from supervisor.steps.bake import Bake
from supervisor.steps.drain import Drain
from supervisor.steps.gate import Gate
from supervisor.steps.prover import Prover
from supervisor.steps.routing import check_edge, verify_route
from supervisor.steps.tally import Tally, summary
from supervisor.workers.probe import Probe


@dataclass(frozen=True, slots=True)
class StepResult:
    """What a step has to say when it is done; step 3 names its release. `evidence` has JSON values."""

    detail: str = ""
    release: int | None = None
    evidence: Mapping[str, object] = field(default_factory=dict)


class StepRunner:
    """One method a step. Each raises a SupervisorError when its step fails, and may be cancelled at any await."""

    def __init__(
        self,
        edge: Edge,
        probe: Probe,
        admission: Admission,
        prover: Prover,
        tally: Tally,
        gate: Gate,
        bake: Bake,
        post: Callable[[StepProgressed], None],
    ) -> None:
        self._edge = edge
        self._probe = probe
        self._admission = admission
        self._prover = prover
        self._tally = tally
        self._gate = gate
        self._bake = bake
        self._drain = Drain(edge, probe, post)

    async def run(self, effect: fx.StepEffect) -> StepResult:
        match effect:
            case fx.Admit():
                admitted = await self._admission.admit(effect)
                return StepResult(admitted.detail, admitted.release, admitted.evidence)
            case fx.CheckWorker():
                await self._probe.ready(effect.color)
                return StepResult(f"{effect.color} is ready")
            case fx.CheckEdge():
                checked = await check_edge(self._edge, self._probe, effect.color)
                await self._tally.begin()
                return StepResult(checked)
            case fx.WarmUp():
                return await self._warm_up(effect)
            case fx.WriteConfig():
                changed = self._edge.write_config()
                return StepResult("rewritten" if changed else "as it should be")
            case fx.TestConfig():
                await self._edge.test_config()
                return StepResult("nginx accepts it")
            case fx.SwitchRoute():
                return StepResult(await self._switch(effect.color))
            case fx.VerifyRoute():
                return StepResult(await verify_route(self._probe, effect.color, effect.release))
            case fx.Drain():
                return await self._let_go(effect)
            case fx.Bake():
                told, evidence = await self._bake.run(effect.color, effect.seconds)
                return StepResult(told, evidence={"bake": evidence})
            case fx.Tally():
                return await self._count()
            case _:
                assert_never(effect)

    async def admit_worker(self, order: fx.AdmitWorker) -> None:
        """Outside a deployment, so no new release is made. Raises SupervisorError with what is in the way."""
        await self._admission.admit(fx.Admit(0, order.color, Change(), None, order.release, order.release))

    async def _warm_up(self, effect: fx.WarmUp) -> StepResult:
        """Real inference, the proof that the weights are shared, and the gate."""
        warmed = await self._probe.warm_up(effect.color)
        proven = await self._prover.prove(effect.color)
        passed = await self._pass_gate(effect, proven.evidence)
        await self._tally.warmed_up(effect.color)
        gate = f"; {len(passed)} gate prompt(s) passed" if passed else ""
        return StepResult(f"{warmed}; {proven.detail}{gate}", evidence={**proven.evidence, "gate": passed})

    async def _pass_gate(self, effect: fx.WarmUp, proof: Mapping[str, object]) -> list[Mapping[str, object]]:
        """A release that fails here was proven to share all the same."""
        try:
            return await self._gate.run(effect.color, effect.active)
        except WorkerError as error:
            error.evidence = {**proof, **error.evidence}
            raise

    async def _let_go(self, effect: fx.Drain) -> StepResult:
        """The old colour finishes what it has."""
        await self._bake.switched(effect.color)
        detail, evidence = await self._drain.run(effect)
        await self._tally.look()  # the old worker may be gone before the end
        await self._probe.come_forward(effect.color.other)
        return StepResult(detail, evidence=evidence)

    async def _count(self) -> StepResult:
        """What cannot be counted is told, and undoes nothing."""
        found = await self._tally.end()
        return StepResult(summary(found), evidence=found)

    async def _switch(self, color: Color | None) -> str:
        """The configuration first, if nginx runs with another one; the route is in force with the next request."""
        leaving = await self._edge.switch(color)
        reloaded = f", {len(leaving)} old nginx worker(s) finish what they have" if leaving else ""
        return f"to {color or 'nobody'}{reloaded}"
