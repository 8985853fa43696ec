"""What one worker process is and has: shared by the routes and by the process's life, written by the latter only."""

import asyncio
import time
from dataclasses import dataclass, field

from modelsvc.engine.engine import Engine
from modelsvc.engine.types import Snapshot
from modelsvc.worker.errors import HttpError
from modelsvc.worker.history import History
from modelsvc.worker.keys import Keys
from modelsvc.worker.latency import Latency
from modelsvc.worker.metrics import Metrics
from modelsvc.worker.release import Release
from modelsvc.worker.state import NotReady, Phase, why_not_ready


@dataclass(frozen=True, slots=True)
class Identity:
    color: str
    worker_id: str
    release: Release
    package_version: str  # the running one; the release records the one that made it
    background: bool = False  # started beside a worker that serves: leave it the processors


@dataclass(slots=True)
class Tally:
    """Chat requests: from their start until the last byte of their answer is handed over."""

    in_flight: int = 0
    total: int = 0
    failed: int = 0
    idle: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.idle.set()

    def begin(self) -> None:
        self.in_flight += 1
        self.total += 1
        self.idle.clear()

    def end(self, *, failed: bool) -> None:
        self.in_flight -= 1
        self.failed += failed
        if not self.in_flight:
            self.idle.set()

    def counts(self) -> dict[str, int]:
        return {"in_flight": self.in_flight, "total": self.total, "failed": self.failed}


@dataclass(slots=True)
class Service:
    identity: Identity
    history: History
    metrics: Metrics
    keys: Keys = field(default_factory=Keys)
    phase: Phase = Phase.LOADING
    engine: Engine | None = None
    tally: Tally = field(default_factory=Tally)
    latency: Latency = field(default_factory=Latency)
    started_at: float = field(default_factory=time.monotonic)

    def snapshot(self) -> Snapshot | None:
        return self.engine.snapshot() if self.engine else None

    def why_not_ready(self) -> NotReady | None:
        return why_not_ready(self.phase, self.snapshot())

    def come_forward(self, *, now: bool = False) -> None:
        """A client's request came; or, `now`, the other worker has finished what it had."""
        if self.engine:
            self.engine.come_forward(now=now)

    def usable_engine(self) -> Engine:
        """The engine, also while stopping: a request that still got in is better answered than refused."""
        if self.engine is None:
            reason = self.why_not_ready() or NotReady("loading", "the model is loading: try again shortly", 1)
            raise HttpError(503, reason.code, reason.message, reason.retry_after_s)
        return self.engine
