"""`control.textfile`: the metrics as a file, for a node exporter's textfile collector."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import structlog
from prometheus_client import Counter

from supervisor.errors import StorageError
from supervisor.files import publish

WRITE_INTERVAL_S = 15.0
READABLE = 0o644  # the collector is another user

log = structlog.get_logger()


class Textfile:
    """A reader finds it whole. It is there while the supervisor runs: old figures are worse than none."""

    def __init__(self, path: Path, render: Callable[[], Awaitable[bytes]], failures: Counter) -> None:
        self._path = path
        self._render = render
        self._failures = failures
        self._reason = ""
        self._writing = threading.Lock()
        self._closed = False

    async def run(self) -> None:
        """Write it every WRITE_INTERVAL_S, until cancelled."""
        while True:
            try:
                await self.write()
            except Exception:
                log.exception("textfile_not_rendered")
            await asyncio.sleep(WRITE_INTERVAL_S)

    async def write(self) -> None:
        """Now. A failure is counted, and logged when it is another one than before."""
        text = (await self._render()).decode()
        reason = await asyncio.to_thread(self._publish, text)
        if reason:
            self._failures.inc()
        if reason and reason != self._reason:
            log.warning("textfile_not_written", reason=reason)
        self._reason = reason

    async def close(self) -> None:
        """Remove it. A write that is under way is waited for, and none follows."""
        reason = await asyncio.to_thread(self._remove)
        if reason:
            log.warning("textfile_not_removed", reason=reason)

    def _publish(self, text: str) -> str:
        """Why it could not be; empty when it was."""
        with self._writing:
            if self._closed:
                return ""
            try:
                publish(self._path, text, READABLE)
            except StorageError as error:
                return error.message
        return ""

    def _remove(self) -> str:
        with self._writing:
            self._closed = True
            try:
                self._path.unlink(missing_ok=True)
            except OSError as error:
                return f"{self._path} is left behind: {error.strerror}; remove it"
        return ""
