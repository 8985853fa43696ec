"""What each step of a deployment does to the outside; when it is done, and what then, is decided elsewhere."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import assert_never

from supervisor.admission import Admission
from supervisor.bake import Bake
from supervisor.core import effects as fx
from supervisor.core.events import StepProgressed
from supervisor.core.state import Color
from supervisor.edge import Edge
from supervisor.errors import EdgeError, WorkerError
from supervisor.gate import Gate
from supervisor.probe import Probe

DRAIN_INTERVAL_S = 0.05
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
        gate: Gate,
        bake: Bake,
        post: Callable[[StepProgressed], None],
    ) -> None:
        self._edge = edge
        self._probe = probe
        self._admission = admission
        self._gate = gate
        self._bake = bake
        self._post = post

    async def run(self, effect: fx.StepEffect) -> StepResult:
        match effect:
            case fx.Admit():
                admitted = await self._admission.admit(effect)
                return StepResult(admitted.detail, admitted.release)
            case fx.CheckWorker():
                await self._probe.ready(effect.color)
                return StepResult(f"{effect.color} is ready")
            case fx.CheckEdge():
                return StepResult(await self._check_edge(effect.color))
            case fx.WarmUp():
                return await self._warm_up(effect)
            case fx.WriteRoute() | fx.RestoreRoute():
                self._edge.write_route(effect.color)  # at once: a write that was cancelled must not come later
                return StepResult(f"to {effect.color or 'nobody'}")
            case fx.TestConfig():
                await self._edge.test_config()
                return StepResult("nginx accepts it")
            case fx.ReloadEdge():
                leaving = await self._edge.reload()
                return StepResult(f"{len(leaving)} old nginx worker(s) finish what they have")
            case fx.VerifyRoute():
                return StepResult(await self._probe.verify_route(effect.color, effect.release))
            case fx.Drain():
                told = await self._drain(effect)
                await self._probe.come_forward(effect.color.other)
                return StepResult(told)
            case fx.Bake():
                told, evidence = await self._bake.run(effect.color, effect.seconds)
                return StepResult(told, evidence={"bake": evidence})
            case _:
                assert_never(effect)

    async def _warm_up(self, effect: fx.WarmUp) -> StepResult:
        told = await self._probe.warm_up(effect.color)
        passed = await self._gate.run(effect.color, effect.active)
        if not passed:
            return StepResult(told)
        return StepResult(f"{told}; {len(passed)} gate prompt(s) passed", evidence={"gate": passed})

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
        """What nginx does may differ from its include file. No answer, from a hung worker say, tells nothing."""
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

    async def _drain(self, effect: fx.Drain) -> str:
        """Old nginx workers first: as long as one lives it may still send the old colour a request."""
        started, said = time.monotonic(), ""
        await self._bake.switched(effect.color)
        while left := await self._undrained(effect.color):
            waited_s = time.monotonic() - started
            if waited_s > effect.timeout_s:
                return f"after {waited_s:.0f} s still {left}: {effect.color} goes on serving them"
            if left != said:
                self._post(StepProgressed(effect.token, left))
                said = left
            await asyncio.sleep(DRAIN_INTERVAL_S)
        return f"nothing in flight on {effect.color} after {time.monotonic() - started:.2f} s"

    async def _undrained(self, color: Color) -> str:
        """What is still under way, in words; empty when nothing is.

        An old worker that does not answer may be busy with a stream: no reason to go back to it.
        """
        leaving = len(self._edge.old_workers())
        try:
            in_flight = await self._probe.in_flight(color)
        except WorkerError:
            return f"{color} does not answer, {leaving} old nginx worker(s)"
        if not leaving and not in_flight:
            return ""
        return f"{in_flight} request(s) in flight on {color}, {leaving} old nginx worker(s)"
