"""What is so with the managed Prometheus: its process, its data, and what its own HTTP API says."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psutil
from msgspec.structs import replace

from supervisor.core.monitor.lifecycle import Phase
from supervisor.core.state import Color, State
from supervisor.errors import MonitorError, Refused
from supervisor.formats import rfc3339
from supervisor.memory.usage import measure
from supervisor.monitor.keeper import Keeper
from supervisor.protocol import AlertReport, MonitorStatus, TargetReport

TIMEOUT_S = 5.0
WORKER_JOB = "modelsvc-worker"


@dataclass(frozen=True, slots=True)
class MonitorReporter:
    """Asks, and changes nothing."""

    keeper: Keeper

    def brief(self) -> MonitorStatus:
        """Without what takes time to find out."""
        monitor, launch = self.keeper.monitor, self.keeper.launch
        process = self.keeper.process
        return MonitorStatus(
            state=monitor.phase,
            wanted=monitor.wanted,
            url=launch.url,
            folder=str(launch.folder),
            retention=launch.retention,
            pid=self.keeper.pid,
            since=_since(process) if process else None,
            crashes=monitor.crashes,
            reason=monitor.reason,
        )

    def noteworthy(self) -> MonitorStatus | None:
        """In short; None when nobody wants it and it does not run."""
        brief = self.brief()
        return brief if brief.wanted or brief.pid else None

    async def full(self) -> MonitorStatus:
        """With memory, disk and alerts."""
        brief, memory = self.brief(), await asyncio.to_thread(measure, self.keeper.process)
        alerts: list[AlertReport] | None = None
        with suppress(MonitorError):
            alerts = await self.alerts() if brief.state == Phase.RUNNING else None
        return replace(
            brief,
            rss_bytes=memory.rss_bytes if memory else None,
            private_bytes=memory.private_bytes if memory else None,
            data_bytes=await asyncio.to_thread(_size, self.keeper.launch.data),
            alerts=alerts,
        )

    async def alerts(self) -> list[AlertReport]:
        """Those that fire or are about to. Raises MonitorError when Prometheus does not answer."""
        return [_alert(found) for found in (await self._ask("/api/v1/alerts"))["alerts"]]

    async def targets(self, state: State) -> list[TargetReport]:
        """Raises Refused when it does not run, MonitorError when it does not answer."""
        if self.keeper.monitor.phase is not Phase.RUNNING:
            raise Refused("Prometheus does not run: start it with `modelsvc monitor up`", code="monitor_off")
        found = (await self._ask("/api/v1/targets?state=active"))["activeTargets"]
        return sorted((_target(each, state) for each in found), key=lambda target: (target.job, target.color or ""))

    async def _ask(self, path: str) -> dict[str, Any]:
        url = f"{self.keeper.launch.url}{path}"
        try:
            async with httpx.AsyncClient(trust_env=False, timeout=TIMEOUT_S) as client:
                answer = (await client.get(url)).raise_for_status().json()
            data: dict[str, Any] = answer["data"]
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            raise MonitorError(
                f"Prometheus does not answer at {url}: {error!r}; see `modelsvc monitor status`"
            ) from error
        return data


def _since(process: psutil.Process) -> str | None:
    with suppress(psutil.Error):
        return rfc3339(process.create_time())
    return None


def _size(folder: Path) -> int:
    """Files may vanish while they are counted."""
    total = 0
    for path in folder.rglob("*") if folder.is_dir() else ():
        with suppress(OSError):
            stat = path.lstat()
            total += stat.st_blocks * 512
    return total


def _alert(found: dict[str, Any]) -> AlertReport:
    labels, notes = found["labels"], found["annotations"]
    return AlertReport(
        name=labels["alertname"],
        state=found["state"],
        severity=labels.get("severity", ""),
        summary=notes.get("summary", ""),
        since=_utc(found["activeAt"]),
    )


def _target(found: dict[str, Any], state: State) -> TargetReport:
    labels = found["labels"]
    color = labels.get("color") if labels["job"] == WORKER_JOB else None
    scraped = not found["lastScrape"].startswith("0001-")
    return TargetReport(
        job=labels["job"],
        color=color,
        url=found["scrapeUrl"],
        health=found["health"],
        expected=color is None or state.slots[Color(color)].wanted,
        last_scrape=_utc(found["lastScrape"]) if scraped else None,
        error=found["lastError"],
    )


def _utc(text: str) -> str:
    """Go writes nanoseconds, and the zone of the machine."""
    with suppress(ValueError):
        return rfc3339(datetime.fromisoformat(text).astimezone(UTC).timestamp())
    return text
