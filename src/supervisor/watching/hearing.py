"""Which word of the operator's was dealt with, and how: kept in the journal, so that the next supervisor knows."""

from dataclasses import replace

import msgspec

from supervisor.core import records as rec
from supervisor.core.state import WATCH_REQUEST, Outcome
from supervisor.core.wish import Ended, Heard, Word, is_new, settle
from supervisor.journal import Journal

FACT = "watch_heard"


class Hearing:
    """A sink of records, for what is asked and by whom is told by them.

    `word` is what the files said when they were last looked at; `asked` a word for which a deployment was asked for
    just now, and nothing is known of it yet.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._begun: dict[int, tuple[rec.DeploymentBegan, Word | None]] = {}
        self._ended: list[Ended] = []
        self._overtaken = False  # something came before what was asked for: it is to be asked for again
        self.heard: Heard | None = None
        self.word: Word | None = None
        self.asked: Word | None = None

    @property
    def has_news(self) -> bool:
        """Whether something became of a deployment that `settle` was not told of."""
        return bool(self._ended) or self._overtaken

    def take_up(self) -> None:
        """What an earlier supervisor heard; a deployment that ended with it may be over by now."""
        self.heard = self._recorded()
        if self.heard is None or self.heard.outcome or self.heard.deployment is None:
            return
        past = self._journal.deployment(self.heard.deployment)
        if past is None:
            self.heard = None
        elif past.outcome:
            self._keep(replace(self.heard, outcome=past.outcome, reason=past.reason))

    def publish(self, record: rec.Record) -> None:
        match record:
            case rec.DeploymentBegan() if record.request == WATCH_REQUEST and self.asked:
                self._begin(record, self.asked)
                self._keep(Heard(self.asked, None, record.deployment))
                self.asked = None
            case rec.DeploymentBegan():
                self._begin(record, self.word)
            case rec.RequestEnded(deployment=int(number)) if number in self._begun:
                began, word = self._begun.pop(number)
                self._ended.append(Ended(number, began.kind, began.request, record.outcome, record.reason, word))
            case rec.RequestEnded() if record.request == WATCH_REQUEST:
                self.asked, self._overtaken = None, True
            case _:
                pass

    def settle(self, now: Word | None) -> None:
        """Take note of the deployments that ended."""
        for ended in self._ended:
            self._keep(settle(self.heard, ended, now))
        self._ended.clear()
        self._overtaken = False

    def accord(self, word: Word) -> None:
        """What the word wants serves already."""
        if self.heard is None or is_new(word, self.heard):
            self._keep(Heard(word, Outcome.SUCCEEDED))

    def _begin(self, record: rec.DeploymentBegan, word: Word | None) -> None:
        self._begun[record.deployment] = record, word

    def _keep(self, heard: Heard | None) -> None:
        if heard != self.heard:
            self.heard = heard
            self._journal.remember(FACT, msgspec.to_builtins(heard))

    def _recorded(self) -> Heard | None:
        """None also where another version wrote it in terms of its own."""
        try:
            return msgspec.convert(self._journal.fact(FACT), Heard | None)
        except msgspec.ValidationError:
            return None
