"""What the supervisor said last, by the service manager's own record."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from modelsvc.service import programs

POLL_S = 0.05
WRITING_S = 1.0  # a journal has a line a moment after it was said


class Words(Protocol):
    """From a moment on."""

    def last(self, count: int) -> Sequence[str]:
        """Empty when there are none, or they may not be read."""
        ...


@dataclass(frozen=True, slots=True)
class Journal:
    """systemd's. Where this user may not read it, or it is not kept, `status` is asked why the supervisor ended."""

    unit: str
    since_s: float  # Unix time
    status: Callable[[], str]

    def last(self, count: int) -> Sequence[str]:
        deadline, told = time.monotonic() + WRITING_S, self.status()
        while not (lines := self._lines(count)) and not told and time.monotonic() < deadline:
            time.sleep(POLL_S)
        return lines or ([told] if told else [])

    def _lines(self, count: int) -> Sequence[str]:
        named = ("--user", f"--unit={self.unit}", f"--since=@{self.since_s:.3f}", f"--lines={count}")
        answer = programs.ask("journalctl", *named, "--output=cat", "--quiet", "--no-pager")
        return answer.out.splitlines() if answer.exit_code == 0 else []
