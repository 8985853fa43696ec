"""How many requests there were during a deployment, and how many failed: by the workers' counters and by the edge's.

The counters are looked at when a deployment begins (step 2), after the standby was warmed up (what it answered before
is the supervisor's own), when the old colour has drained, and at the end. A counter that could not be read is told as
unknown, with the reason, and never as zero.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

import structlog

from supervisor.core.state import Color
from supervisor.edge import Edge
from supervisor.nginx.access_log import EdgeMark
from supervisor.workers.probe import Probe

log = structlog.get_logger()


class EdgeCounter(Protocol):
    """Counts what clients were answered at the edge, between two moments."""

    def mark(self) -> Any:
        """This moment."""
        ...

    async def tally(self, mark: Any) -> Mapping[str, object]:
        """JSON values since `mark`: at least `requests` and `failed`. May raise OSError."""
        ...


@dataclass(frozen=True, slots=True)
class AccessLog:
    """Counts by what nginx logged."""

    edge: Edge

    def mark(self) -> EdgeMark:
        return self.edge.mark()

    async def tally(self, mark: EdgeMark) -> Mapping[str, object]:
        return asdict(await asyncio.to_thread(self.edge.tally, mark))


@dataclass(slots=True)
class Count:
    """One worker's counters: when it began to count for the deployment, and when last seen."""

    color: Color
    first: tuple[int, int]
    last: tuple[int, int]

    @property
    def difference(self) -> tuple[int, int]:
        return self.last[0] - self.first[0], self.last[1] - self.first[1]


@dataclass(slots=True)
class Tally:
    """Kept for the deployment under way; `begin` forgets the one before."""

    probe: Probe
    edge: EdgeCounter | None = None
    _counts: dict[str, Count] = field(default_factory=dict, init=False)
    _mark: Any = field(default=None, init=False)
    _begun: bool = field(default=False, init=False)

    async def begin(self) -> None:
        self._counts.clear()
        self._begun = True
        self._mark = self.edge.mark() if self.edge else None
        await self.look()

    async def warmed_up(self, color: Color) -> None:
        """From here on the standby's requests are clients'."""
        if found := await self.probe.counts(color):
            worker, total, failed = found
            self._counts[worker] = Count(color, (total, failed), (total, failed))

    async def look(self) -> set[Color]:
        """Read the counters; those of which colours could be read."""
        seen = set()
        for color in Color:
            if found := await self.probe.counts(color):
                worker, total, failed = found
                seen.add(color)
                self._counts.setdefault(worker, Count(color, (total, failed), (total, failed))).last = total, failed
        return seen

    async def end(self) -> dict[str, object]:
        """What came of it; null with a reason for what could not be counted. Never raises: what is done stays done."""
        return {"requests": await self._at_workers(), "edge": await self._at_edge()}

    async def _at_workers(self) -> Mapping[str, object]:
        try:
            return self._requests(await self.look())
        except Exception as error:
            log.warning("workers_not_tallied", exc_info=error)
            return _unknown(f"the workers could not be counted: {error!r}")

    def _requests(self, seen: set[Color]) -> dict[str, object]:
        if not self._begun:
            return _unknown("the supervisor was started during the deployment")
        if not self._counts:
            return _unknown("no worker told its counters")
        differences = [count.difference for count in self._counts.values()]
        gone = sorted({str(count.color) for count in self._counts.values()} - {str(color) for color in seen})
        note = f"{' and '.join(gone)} counted up to its last look only" if gone else ""
        total, failed = (sum(column) for column in zip(*differences, strict=True))
        return {"during": total, "failed": failed, "reason": note}

    async def _at_edge(self) -> Mapping[str, object]:
        if self.edge is None or self._mark is None:
            return _unknown("the edge does not count")
        try:
            return await self.edge.tally(self._mark)
        except Exception as error:
            log.warning("edge_not_tallied", exc_info=error)
            return _unknown(f"the edge could not be counted: {error!r}")


def _unknown(reason: str) -> dict[str, object]:
    return {"during": None, "failed": None, "reason": reason}


def summary(evidence: Mapping[str, Any]) -> str:
    """The count in a line, by the workers' counters."""
    found = evidence["requests"]
    if found["during"] is None:
        return f"requests not counted: {found['reason']}"
    return f"{found['during']} request(s) during the deployment, {found['failed']} failed"
