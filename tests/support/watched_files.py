"""The watch on files with real files and a journal, and a test in the place of the loop that deploys."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import tomli_w

from modelsvc import __version__
from modelsvc.models import demo_model_path
from supervisor import config as configuration
from supervisor.config import ModelSection
from supervisor.core import events as ev
from supervisor.core import records as rec
from supervisor.core.lifecycle import Phase
from supervisor.core.state import Change, Color, Deployment, DeploymentKind, Outcome, State
from supervisor.errors import SupervisorError
from supervisor.journal import Journal
from supervisor.patience import eventually
from supervisor.releases import model_file
from supervisor.releases.baseline import Baseline
from supervisor.releases.model_file import model_path
from supervisor.releases.spec import settings_of
from supervisor.releases.store import ModelFile, Release, ReleaseStore
from supervisor.watching.reader import Reader
from supervisor.watching.tracker import Tracker
from supervisor.watching.watcher import Watcher

DEADLINE_S = 20.0
QUICK_S = 0.1
LATE_S = 0.5
BLUE, GREEN = Color.BLUE, Color.GREEN


@dataclass
class Desk:
    """A folder with configuration and model, a journal, and what the watch asked for and told."""

    folder: Path
    journal: Journal
    tables: dict[str, dict[str, Any]]
    state: State = field(default_factory=State)
    asked: list[ev.DeployRequested] = field(default_factory=list)
    told: list[rec.Record] = field(default_factory=list)
    watcher: Watcher | None = None
    now_s: float = 1000.0  # on the watch's clock
    shortage: str | SupervisorError = ""  # what a plan says, or raises
    planned: list[Change] = field(default_factory=list)
    admitted: tuple[ModelSection, ModelFile] = field(init=False)

    @property
    def config(self) -> Path:
        return self.folder / "modelsvc.toml"

    @property
    def model(self) -> Path:
        return self.folder / "m.gguf"

    @property
    def releases(self) -> ReleaseStore:
        return ReleaseStore(self.folder)

    @property
    def baseline(self) -> Baseline:
        return Baseline(self.journal, self.releases, lambda: configuration.load(self.config).model)

    @property
    def verdicts(self) -> list[rec.WatchDecided]:
        return [record for record in self.told if isinstance(record, rec.WatchDecided)]

    @property
    def warnings(self) -> list[str]:
        return [record.text for record in self.told if isinstance(record, rec.Warned)]

    # --- what an operator does to files -------------------------------------------------------------------------------

    def edit(self, section: str = "model", **values: Any) -> None:
        """Written beside and renamed."""
        self.tables.setdefault(section, {}).update(values)
        self.write(tomli_w.dumps(self.tables))

    def write(self, text: str) -> None:
        beside = self.config.with_suffix(".new")
        beside.write_text(text)
        beside.replace(self.config)

    # --- in the place of the loop -------------------------------------------------------------------------------------

    @asynccontextmanager
    async def watching(self, debounce_s: float = QUICK_S, interval_s: float = QUICK_S) -> AsyncIterator[None]:
        """The watch of one supervisor, from its start to its end."""
        running = configuration.load(self.config)
        reader = Reader(self.config, running, self.baseline, self.releases, lambda: self.state.active_release)
        tracker, look = Tracker(self.journal), lambda: self.state
        watcher = Watcher(
            reader,
            tracker,
            look,
            self._ask,
            self._refusal,
            self.told.append,
            debounce_s,
            interval_s,
            LATE_S,
            lambda: self.now_s,
        )
        self.watcher = watcher
        task = asyncio.create_task(watcher.run())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            self.watcher = None

    async def sees(self, condition: Callable[[], object], what: str) -> None:
        async def check() -> bool:
            return bool(condition())

        assert await eventually(check, DEADLINE_S), f"not within {DEADLINE_S:g} s: {what}; it told {self.told}"

    async def decides(self, verdict: str, times: int = 1) -> rec.WatchDecided:
        """Wait until that verdict was told so often; the last one so far."""

        def found() -> list[rec.WatchDecided]:
            return [told for told in self.verdicts if told.verdict == verdict]

        await self.sees(lambda: len(found()) >= times, f"{verdict}, {times} times")
        return found()[-1]

    async def begin(self, request: str = "operator", kind: DeploymentKind = DeploymentKind.DEPLOY) -> int:
        """What is deployed is what is wanted at this moment."""
        section = self.baseline.section(self.state.active_release)
        self.admitted = section, await model_file.identify(model_path(section))
        number = self.state.last_deployment + 1
        running = Deployment(number, kind, request, BLUE, GREEN)
        self.state = replace(self.state, deployment=running, last_deployment=number)
        self._publish(rec.DeploymentBegan(request, number, kind, BLUE, GREEN))
        return number

    def end(
        self,
        outcome: Outcome = Outcome.SUCCEEDED,
        reason: str = "",
        release: int | None = None,
        transient: bool = False,
        **set_: Any,
    ) -> None:
        """The deployment under way. One that succeeded serves `release`, or a new one with some settings changed."""
        running = self.state.current
        if outcome is Outcome.SUCCEEDED:
            self._serve(release or self._admit(set_))
        self.drop()
        serves = self.state.active_release, BLUE
        self._publish(rec.RequestEnded(running.request, outcome, reason, running.id, *serves, transient))

    def drop(self) -> None:
        """The deployment, without a word."""
        self.state = replace(self.state, deployment=None)

    async def deploys(self, request: str = "operator", **set_: Any) -> None:
        """A deployment from its beginning to its success."""
        await self.begin(request)
        self.end(**set_)

    async def rolls_back(self, release: int) -> None:
        """An operator goes back to a release, whose worker is still warm."""
        await self.begin(kind=DeploymentKind.ROLLBACK)
        self.end(release=release)

    def prewarmed(self, release: int) -> None:
        """In the standby."""
        warm = self.state.with_slot(GREEN, wanted=True, phase=Phase.READY, release=release)
        self.state = replace(warm, prewarmed=release, moves=())

    def _ask(self, event: ev.Event) -> None:
        assert isinstance(event, ev.DeployRequested)
        self.asked.append(event)

    async def _refusal(self, change: Change) -> str:
        self.planned.append(change)
        if isinstance(self.shortage, SupervisorError):
            raise self.shortage
        return self.shortage

    def refuse(self) -> None:
        """What was asked for, because something came before it."""
        self._publish(rec.RequestEnded("watch", Outcome.REFUSED, "busy"))

    def _admit(self, set_: dict[str, Any]) -> int:
        section, model = self.admitted
        number = self.state.last_release + 1
        settings = {**settings_of(section), **set_, "allowed_hosts": ["localhost", "127.0.0.1"]}
        self.releases.write(Release(number, "2026-01-02T03:04:05Z", __version__, model, settings))
        self.state = replace(self.state, last_release=number)
        return number

    def _serve(self, release: int) -> None:
        active = replace(self.state, active=BLUE).with_slot(BLUE, wanted=True, phase=Phase.READY, release=release)
        self.state = replace(active, moves=())

    def _publish(self, record: rec.Record) -> None:
        self.journal.write(record)
        self.baseline.publish(record)
        if self.watcher:
            self.watcher.tracker.publish(record)


@asynccontextmanager
async def desk(folder: Path) -> AsyncIterator[Desk]:
    """A service that serves what is configured: a copy of the demo model."""
    with closing(Journal(folder / "journal.db")) as journal:
        made = Desk(folder, journal, {})
        shutil.copy(demo_model_path(), made.model)
        made.edit(path=str(made.model), context_tokens=512)
        await made.deploys()
        yield made


def other_model(path: Path) -> None:
    """The demo model with more behind it: other bytes, and it can be served."""
    path.write_bytes(demo_model_path().read_bytes() + b"\0" * 64)
