"""The gate: prompts of the configuration, asked of a standby before it may serve."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from supervisor.core.gate import Answer, Check, Reference, comparable, judge
from supervisor.core.state import Color
from supervisor.errors import WorkerError
from supervisor.workers.probe import NONSENSE, WARM_UP_HEADERS, Probe


@dataclass(frozen=True, slots=True)
class Gate:
    """`checks` reads them anew, since a deployment takes up what was edited."""

    probe: Probe
    checks: Callable[[], Sequence[Check]]

    async def run(self, color: Color, active: Color | None) -> list[Mapping[str, object]]:
        """The evidence of every check that passed. Raises WorkerError at the first one that does not."""
        checks = self.checks()
        why_not = await self._why_not_compared(checks, color, active)
        return [await self._pass(check, color, active, why_not) for check in checks]

    async def _pass(self, check: Check, color: Color, active: Color | None, why_not: str) -> Mapping[str, object]:
        got = await self._ask(check, color)
        reference = Reference(why_not=why_not)
        if check.same_as_active and active is not None and not why_not:
            reference = Reference(await self._ask(check, active))
        verdict = judge(check, got, reference)
        if verdict.problems:
            evidence = {"gate": [verdict.evidence()]}
            raise WorkerError(verdict.reason(), code="gate_failed", evidence=evidence, transient=verdict.transient)
        return verdict.evidence()

    async def _why_not_compared(self, checks: Sequence[Check], color: Color, active: Color | None) -> str:
        if active is None:
            return "not compared with the active worker: none serves"
        if not any(check.same_as_active for check in checks):
            return ""
        return comparable(await self._sha256(color), await self._sha256(active))

    async def _sha256(self, color: Color) -> object:
        try:
            model = (await self.probe.report(color)).get("model")
        except WorkerError:  # an active worker that does not serve is no reason to keep what is broken
            return None
        return model.get("sha256") if isinstance(model, Mapping) else None

    async def _ask(self, check: Check, color: Color) -> Answer:
        """A standby whose speed counts must not stand back while it answers."""
        headers = {} if check.measures_speed else WARM_UP_HEADERS
        told = await self.probe.ask(color, check.prompt, check.max_tokens, headers, "a gate prompt")
        try:
            timings = told["timings"]
            return Answer(
                str(told["response"]),
                int(told["usage"]["completion_tokens"]),
                float(timings["first_token_seconds"]),
                float(timings["tokens_per_second"]),
            )
        except NONSENSE as error:
            raise WorkerError(f"the {color} worker answered a gate prompt with nonsense: {error!r}") from error
