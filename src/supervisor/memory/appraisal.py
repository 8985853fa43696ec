"""What a release would need, and whether that fits beside what runs: for admissions, plans and reports."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from modelsvc import __version__
from supervisor.config import Config, ModelSection
from supervisor.core import account, ledger
from supervisor.core.state import Color, State
from supervisor.journal import Journal
from supervisor.memory.holdings import PROMETHEUS, Held, Holdings, mapped
from supervisor.memory.machine import available
from supervisor.releases.model_file import identify, inspect, model_path
from supervisor.releases.store import ModelFile


@dataclass(frozen=True, slots=True)
class Appraisal:
    """A section with its model file, what it will need, and the account of it."""

    section: ModelSection
    model: ModelFile
    subject: ledger.Subject
    forecast: ledger.Forecast
    verdict: account.Verdict
    monitor_leaves: bool = False  # there is room only without the managed Prometheus


@dataclass(frozen=True, slots=True)
class Appraiser:
    """Asks the model file, earlier measurements and the processes; changes nothing."""

    config: Config
    journal: Journal
    holdings: Holdings
    state: Callable[[], State]

    async def appraise(self, section: ModelSection, leaving: set[Color]) -> Appraisal:
        """The worker of a colour in `leaving` is stopped before the new one starts. Raises Refused for a bad file."""
        shape = await inspect(model_path(section))
        model = await identify(model_path(section))
        subject, needed = self.forecast(section, shape, model.sha256)
        held = await self.holdings.now(self.state())
        machine = await asyncio.to_thread(available)

        def judged(leave: Callable[[Held], bool]) -> account.Verdict:
            leaves = [each.holding for each in held if leave(each)]
            stays = [each.holding for each in held if not leave(each)]
            limits = self.config.budget_bytes, self.config.worker_limit_bytes
            return account.judge(needed, mapped(model), stays, leaves, machine, *limits)

        verdict = judged(lambda each: each.color in leaving)
        if verdict.admitted:
            return Appraisal(section, model, subject, needed, verdict)
        without = judged(lambda each: each.color in leaving or each.who == PROMETHEUS)
        return Appraisal(section, model, subject, needed, without, monitor_leaves=without.admitted)

    def forecast(
        self, section: ModelSection, shape: ledger.ModelShape, sha256: str
    ) -> tuple[ledger.Subject, ledger.Forecast]:
        return forecast(section, shape, sha256, self.journal.observations())


def forecast(
    section: ModelSection, shape: ledger.ModelShape, sha256: str, observations: Sequence[ledger.Observation]
) -> tuple[ledger.Subject, ledger.Forecast]:
    """Whose memory, and how much of it: the formula, corrected by what earlier deployments measured."""
    matters = section.model_dump(include=set(ledger.MATTERING))
    subject = ledger.Subject(sha256, shape.architecture, __version__, matters)
    formula = ledger.forecast(shape, section.context_tokens, section.kv_cache)
    return subject, ledger.corrected(formula, subject, observations)
