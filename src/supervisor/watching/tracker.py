"""Which desired state was handled, and how: kept in the journal, so that the next supervisor knows."""

from dataclasses import replace

import msgspec

from supervisor.core import records as rec
from supervisor.core.desired import Desired, Ended, Handled, Retry, is_new, settle
from supervisor.core.state import WATCH_REQUEST, Outcome
from supervisor.journal import Journal

FACT = "watch_handled"


class Tracker:
    """A sink of records, for what is asked and by whom is told by them.

    `desired` is what the files said when they were last looked at; `asked` that for which a deployment was asked for
    just now, and nothing is known of it yet.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._begun: dict[int, tuple[rec.DeploymentBegan, Desired | None]] = {}
        self._ended: list[Ended] = []
        self._overtaken = False  # something came before what was asked for: it is to be asked for again
        self.handled: Handled | None = None
        self.retry = Retry()
        self.desired: Desired | None = None
        self.asked: Desired | None = None

    @property
    def has_news(self) -> bool:
        """Whether something became of a deployment that `settle` was not told of."""
        return bool(self._ended) or self._overtaken

    def take_up(self, now_s: float) -> None:
        """What an earlier supervisor handled; a deployment that ended with it may be over by now."""
        self.handled = self._recorded()
        self.retry = Retry().put_off(now_s)
        if self.handled is None or self.handled.outcome or self.handled.deployment is None:
            return
        past = self._journal.deployment(self.handled.deployment)
        if past is None:
            self.handled = None
        elif past.outcome:
            self._keep(replace(self.handled, outcome=past.outcome, reason=past.reason))

    def publish(self, record: rec.Record) -> None:
        match record:
            case rec.DeploymentBegan() if record.request == WATCH_REQUEST and self.asked:
                if not self.retries(self.asked):
                    self.retry = Retry()
                self._begin(record, self.asked)
                self._keep(Handled(self.asked, None, record.deployment))
                self.asked = None
            case rec.DeploymentBegan():
                self._begin(record, self.desired)
            case rec.RequestEnded(deployment=int(number)) if number in self._begun:
                began, desired = self._begun.pop(number)
                how = record.outcome, record.reason, desired, record.transient
                self._ended.append(Ended(number, began.kind, began.request, *how))
            case rec.RequestEnded() if record.request == WATCH_REQUEST:
                self.asked, self._overtaken = None, True
            case _:
                pass

    def retries(self, desired: Desired) -> bool:
        """Whether it was tried before, and refused for a reason that may pass."""
        return self.handled is not None and self.handled.transient and not is_new(desired, self.handled)

    def put_off(self, now_s: float, reason: str) -> None:
        """It would still be refused."""
        self.retry = self.retry.put_off(now_s)
        if self.handled:
            self._keep(replace(self.handled, reason=reason))

    def settle(self, now: Desired | None, now_s: float) -> None:
        """Take note of the deployments that ended."""
        for ended in self._ended:
            self._keep(settle(self.handled, ended, now))
            if self.handled and self.handled.transient and self.handled.deployment == ended.deployment:
                self.retry = self.retry.put_off(now_s)
        self._ended.clear()
        self._overtaken = False

    def accord(self, desired: Desired) -> None:
        """What is desired serves already."""
        if self.handled is None or is_new(desired, self.handled):
            self._keep(Handled(desired, Outcome.SUCCEEDED))

    def _begin(self, record: rec.DeploymentBegan, desired: Desired | None) -> None:
        self._begun[record.deployment] = record, desired

    def _keep(self, handled: Handled | None) -> None:
        if handled != self.handled:
            self.handled = handled
            self._journal.remember(FACT, msgspec.to_builtins(handled))

    def _recorded(self) -> Handled | None:
        """None also where another version wrote it in terms of its own."""
        try:
            return msgspec.convert(self._journal.fact(FACT), Handled | None)
        except msgspec.ValidationError:
            return None
