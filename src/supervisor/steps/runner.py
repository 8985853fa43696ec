"""What each step of a deployment does to the outside; when it is done, and what then, is decided elsewhere."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import assert_never

from supervisor.core import effects as fx
from supervisor.core.events import StepProgressed
from supervisor.core.state import Color
from supervisor.edge import Edge
from supervisor.errors import EdgeError, WorkerError
from supervisor.steps.admission import Admission
from supervisor.steps.bake import Bake
from supervisor.steps.gate import Gate
from supervisor.steps.prover import Prover
from supervisor.steps.tally import Tally, summary
from supervisor.workers.probe import Probe

DRAIN_INTERVAL_S = 0.05
TOLD_INTERVAL_S = 0.5  # estimates change all the time
EDGE_ANSWER_S = 1.0


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
        self._post = post

    async def run(self, effect: fx.StepEffect) -> StepResult:
        match effect:
            case fx.Admit():
                admitted = await self._admission.admit(effect)
                return StepResult(admitted.detail, admitted.release, admitted.evidence)
            case fx.CheckWorker():
                await self._probe.ready(effect.color)
                return StepResult(f"{effect.color} is ready")
            case fx.CheckEdge():
                checked = await self._check_edge(effect.color)
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
                return StepResult(await self._probe.verify_route(effect.color, effect.release))
            case fx.Drain():
                drained = await self._drain(effect)
                await self._probe.come_forward(effect.color.other)
                return drained
            case fx.Bake():
                told, evidence = await self._bake.run(effect.color, effect.seconds)
                return StepResult(told, evidence={"bake": evidence})
            case fx.Tally():
                return await self._count()
            case _:
                assert_never(effect)

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

    async def _count(self) -> StepResult:
        """What cannot be counted is told, and undoes nothing."""
        found = await self._tally.end()
        return StepResult(summary(found), evidence=found)

    async def _switch(self, color: Color | None) -> str:
        """The configuration first, if nginx runs with another one; the route is in force with the next request."""
        leaving = await self._edge.switch(color)
        reloaded = f", {len(leaving)} old nginx worker(s) finish what they have" if leaving else ""
        return f"to {color or 'nobody'}{reloaded}"

    async def _check_edge(self, color: Color | None) -> str:
        report = self._edge.report()
        if not report.running:
            raise EdgeError("nginx does not run: see `modelsvc ctl logs edge`", code="edge_absent")
        if color is not None and report.routes_to is not color:
            raise EdgeError(
                f"the edge routes to {report.routes_to or 'nobody'}, not to the active {color}:"
                " run `modelsvc ctl shutdown` and `modelsvc up`",
                code="route_differs",
            )
        await self._check_answer(color)
        return f"nginx {report.nginx_version} routes to {report.routes_to or 'nobody yet'}"

    async def _check_answer(self, color: Color | None) -> None:
        """What nginx does may differ from its route file. No answer, from a hung worker say, tells nothing."""
        try:
            answerer = (await self._probe.through_edge(EDGE_ANSWER_S)).color
        except WorkerError:
            return
        if color is not None and answerer not in (None, color):
            raise EdgeError(
                f"answers at the edge come from {answerer}, not from the active {color}:"
                " run `modelsvc ctl shutdown` and `modelsvc up`",
                code="route_differs",
            )

    async def _drain(self, effect: fx.Drain) -> StepResult:
        """Old nginx workers first: as long as one lives it may still send the old colour a request."""
        started, said, told_s = time.monotonic(), "", -TOLD_INTERVAL_S
        await self._bake.switched(effect.color)
        while left := await self._undrained(effect.color):
            waited_s = time.monotonic() - started
            if waited_s > effect.timeout_s:
                detail = f"after {waited_s:.0f} s still {left}: {effect.color} goes on serving them"
                return await self._drained(detail, waited_s, left)
            if left != said and waited_s >= told_s + TOLD_INTERVAL_S:
                self._post(StepProgressed(effect.token, left))
                said, told_s = left, waited_s
            await asyncio.sleep(DRAIN_INTERVAL_S)
        waited_s = time.monotonic() - started
        return await self._drained(f"nothing in flight on {effect.color} after {waited_s:.2f} s", waited_s, "")

    async def _drained(self, detail: str, waited_s: float, left: str) -> StepResult:
        """The old worker may be gone before the end, so its requests are counted now."""
        await self._tally.look()
        return StepResult(detail, evidence={"seconds": round(waited_s, 3), "left": left})

    async def _undrained(self, color: Color) -> str:
        """What is still under way, in words; empty when nothing is.

        An old worker that does not answer may be busy with a stream: no reason to go back to it.
        """
        leaving = len(self._edge.old_workers())
        left = [f"{leaving} old nginx worker(s)"] if leaving else []
        try:
            in_flight = await self._probe.in_flight(color)
        except WorkerError:
            return ", ".join([f"{color} does not answer", *left])
        until = "" if in_flight.left_s is None else f", done in {in_flight.left_s:.0f} s at the latest"
        running = [f"{in_flight.requests} request(s) in flight on {color}{until}"] if in_flight.requests else []
        return ", ".join([*running, *left])
