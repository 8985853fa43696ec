"""Is the new colour as good as the old one was? Pure: looks at both, judged.

A look is what a worker tells of itself. The old colour's is taken when the edge was switched; from there the new
colour's requests are counted, and of those that came during the bake itself the latency is compared, for before it the
old colour finishes its own on the same processors.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from statistics import median

MIN_REQUESTS = 5  # fewer tell nothing about a rate
MIN_SAMPLES = 5  # nor about a median
# Beside the ratio a difference that somebody would notice: between milliseconds, chance decides.
FIRST_TOKEN_EXCESS_S = 0.25
INTER_TOKEN_EXCESS_S = 0.05
# Well before the worker itself calls it a stall. A step has one token of each answer, or a chunk of a prompt.
STALL_S = 5.0
PREFILL_STALL_S = 60.0
CHANGED_SHAPE = (TypeError, ValueError, KeyError, AttributeError)


class BreachKind(StrEnum):
    """What a new colour may fail at."""

    NOT_READY = "not_ready"
    STALL = "stall"
    ERRORS = "errors"
    LATENCY = "latency"


@dataclass(frozen=True, slots=True)
class Breach:
    """Why the new colour must not go on serving; `text` in words."""

    kind: BreachKind
    text: str


@dataclass(frozen=True, slots=True)
class Limits:
    """0 as ratio: latency is not judged."""

    max_error_rate: float = 0.05
    max_latency_ratio: float = 3.0


@dataclass(frozen=True, slots=True)
class Timing:
    """One answered request: how long ago it came, and how quick it was."""

    age_s: float
    first_token_s: float
    inter_token_s: float | None


@dataclass(frozen=True, slots=True)
class Look:
    """What a worker told at one moment. `stalled_s`: since the last decode progress while requests are pending;
    `model_bytes`: its model file's size, 0 when it does not tell."""

    answered: int = 0
    failed: int = 0
    timings: tuple[Timing, ...] = ()
    stalled_s: float = 0.0
    prefilling: bool = False
    model_bytes: int = 0

    @classmethod
    def from_health(cls, told: Mapping[str, object] | None) -> "Look | None":
        """Read /health/deep; None when it does not tell."""
        try:
            return _read(told) if told else None
        except CHANGED_SHAPE:
            return None

    def since(self, age_s: float) -> "tuple[Timing, ...]":
        return tuple(timing for timing in self.timings if timing.age_s <= age_s)


@dataclass(frozen=True, slots=True)
class Baseline:
    """Both colours when the edge was switched; None where one did not tell."""

    old: Look | None = None
    new: Look | None = None


def breach(baseline: Baseline, now: Look, baked_s: float, limits: Limits) -> Breach | None:
    """Why the new colour must not go on serving; None when it may."""
    found = {
        BreachKind.STALL: _stall(now),
        BreachKind.ERRORS: _errors(baseline, now, limits),
        BreachKind.LATENCY: _slowness(baseline, now, baked_s, limits),
    }
    return next((Breach(kind, text) for kind, text in found.items() if text), None)


def counts(baseline: Baseline, now: Look) -> tuple[int, int]:
    """Requests that the new colour answered since the switch, and those of them that failed."""
    start = baseline.new or Look()
    return now.answered - start.answered, now.failed - start.failed


def unjudged(baseline: Baseline, now: Look, baked_s: float, limits: Limits) -> str:
    """Why latency was not judged; empty when it was."""
    if not limits.max_latency_ratio:
        return "latency not judged: deploy.bake_max_latency_ratio is 0"
    before, after = len(baseline.old.timings) if baseline.old else 0, len(now.since(baked_s))
    if min(before, after) < MIN_SAMPLES:
        return f"latency not judged: {after} answer(s) in the bake and {before} before, {MIN_SAMPLES} each are needed"
    return ""


def medians(timings: tuple[Timing, ...]) -> dict[str, float | int | None]:
    """For the record."""
    first, between = _first(timings), _between(timings)
    return {
        "requests": len(timings),
        "first_token_s": round(median(first), 4) if first else None,
        "inter_token_s": round(median(between), 4) if between else None,
    }


def _stall(now: Look) -> str:
    allowed = PREFILL_STALL_S if now.prefilling else STALL_S
    if now.stalled_s <= allowed:
        return ""
    return f"no decode progress for {now.stalled_s:.1f} s although requests are pending"


def _errors(baseline: Baseline, now: Look, limits: Limits) -> str:
    answered, failed = counts(baseline, now)
    if answered < MIN_REQUESTS or failed <= limits.max_error_rate * answered:
        return ""
    return f"{failed} of {answered} requests failed since the switch, deploy.bake_max_error_rate allows" + (
        f" {limits.max_error_rate:g}"
    )


def _slowness(baseline: Baseline, now: Look, baked_s: float, limits: Limits) -> str:
    if baseline.old is None or unjudged(baseline, now, baked_s, limits):
        return ""
    before, after = baseline.old.timings, now.since(baked_s)
    ratio, growth = limits.max_latency_ratio, _growth(baseline.old, now)
    slower = _slower("first token", _first(before), _first(after), ratio * growth, FIRST_TOKEN_EXCESS_S) or _slower(
        "time between tokens", _between(before), _between(after), ratio * growth, INTER_TOKEN_EXCESS_S
    )
    larger = f", for a model file {growth:.3g} times as large" if growth > 1 else ""
    return f"{slower} (deploy.bake_max_latency_ratio is {ratio:g}{larger})" if slower else ""


def _growth(old: Look, new: Look) -> float:
    """A larger model may be slower in proportion, for each token reads all weights; a smaller need not be quicker."""
    return max(1.0, new.model_bytes / old.model_bytes) if old.model_bytes else 1.0


def _slower(what: str, before: list[float], after: list[float], ratio: float, excess_s: float) -> str:
    if min(len(before), len(after)) < MIN_SAMPLES:
        return ""
    old, new = median(before), median(after)
    if new <= ratio * old or new <= old + excess_s:
        return ""
    return f"{what}: median {new:.3f} s, {old:.3f} s before the switch: more than {ratio:.3g} times"


def _first(timings: tuple[Timing, ...]) -> list[float]:
    return [timing.first_token_s for timing in timings]


def _between(timings: tuple[Timing, ...]) -> list[float]:
    return [timing.inter_token_s for timing in timings if timing.inter_token_s is not None]


def _read(told: Mapping[str, object]) -> Look:
    requests, engine, latency, model = (_table(told.get(key)) for key in ("requests", "engine", "latency", "model"))
    return Look(
        answered=_number(requests["total"]) - _number(requests["in_flight"]),
        failed=_number(requests["failed"]),
        timings=tuple(_timing(answered) for answered in _list(latency.get("recent"))),
        stalled_s=_optional(engine.get("last_decode_age_s")) or 0.0,
        prefilling=bool(engine.get("prefilling")),
        model_bytes=_number(model.get("size_bytes", 0)),
    )


def _table(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _timing(value: object) -> Timing:
    age, first, between = _list(value)
    seconds = _optional(age), _optional(first)
    if None in seconds:
        raise TypeError(f"{value!r} are no timings")
    return Timing(seconds[0] or 0.0, seconds[1] or 0.0, _optional(between))


def _number(value: object) -> int:
    if not isinstance(value, int):
        raise TypeError(f"{value!r} is no count")
    return value


def _optional(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None
