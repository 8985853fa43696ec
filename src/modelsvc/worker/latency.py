"""How quick recent answers were, for whoever compares this worker with another one."""

import time
from collections import deque
from collections.abc import Sequence
from typing import Any, NamedTuple

from modelsvc.engine.types import Finished

KEPT = 50
WINDOW_S = 300.0


class Answered(NamedTuple):
    came_at: float
    first_token_s: float
    inter_token_s: float | None  # None: it had a single token


class Latency:
    def __init__(self) -> None:
        self._recent: deque[Answered] = deque(maxlen=KEPT)

    def took(self, finished: Finished, now: float | None = None) -> None:
        """An answer is complete. One that was cancelled tells nothing."""
        if finished.reason == "cancelled" or not finished.usage.completion_tokens:
            return
        timings, later_tokens = finished.timings, finished.usage.completion_tokens - 1
        came_at = _or_now(now) - timings.first_token_seconds - timings.decode_seconds
        between = timings.decode_seconds / later_tokens if later_tokens else None
        self._recent.append(Answered(came_at, timings.first_token_seconds, between))

    def report(self, now: float | None = None) -> dict[str, Any]:
        """Quantiles, and `recent`: age when it came, first token and mean time between tokens, in seconds."""
        moment = _or_now(now)
        recent = [answered for answered in self._recent if moment - answered.came_at <= WINDOW_S]
        return {
            "window_s": WINDOW_S,
            "requests": len(recent),
            "first_token_seconds": quantiles([answered.first_token_s for answered in recent]),
            "inter_token_seconds": quantiles([each.inter_token_s for each in recent if each.inter_token_s is not None]),
            "recent": [[round(moment - at, 3), first, between] for at, first, between in recent],
        }


def quantiles(values: Sequence[float]) -> dict[str, float | None]:
    ordered = sorted(values)
    if not ordered:
        return {"p50": None, "p95": None}
    last = len(ordered) - 1
    return {"p50": ordered[round(0.5 * last)], "p95": ordered[round(0.95 * last)]}


def _or_now(now: float | None) -> float:
    return time.monotonic() if now is None else now
