"""Where the worker is in its life, and whether it should be given requests. Pure."""

from dataclasses import dataclass
from enum import StrEnum

from modelsvc.engine.types import Snapshot

# A step that only decodes has one token per slot: seconds on the slowest machine. This long, it hangs.
STALL_S = 30.0
# A step with prompt tokens has up to 256 of them; an 8B model on two slow cores does about 5 a second.
PREFILL_STALL_S = 180.0
# In a row, with none computed in between. The edge sends one request four times, so one alone does not come to it.
FAILED_STEPS = 8


class Phase(StrEnum):
    LOADING = "loading"
    READY = "ready"
    STOPPING = "stopping"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class NotReady:
    code: str
    message: str
    retry_after_s: int


def why_not_ready(phase: Phase, engine: Snapshot | None) -> NotReady | None:
    """None: send requests."""
    match phase:
        case Phase.LOADING:
            return NotReady("loading", "the model is loading: try again shortly", 1)
        case Phase.STOPPING:
            return NotReady("stopping", "this worker is stopping: use the other one", 1)
        case Phase.FAILED:
            return NotReady("failed", "the model could not be loaded: see the worker's log", 5)
        case Phase.READY:
            return _working(engine)


def _working(engine: Snapshot | None) -> NotReady | None:
    if engine is None or not engine.alive:
        return NotReady("engine_dead", "the engine has stopped: restart this worker", 5)
    if engine.failed_steps >= FAILED_STEPS:
        told = f"the last {engine.failed_steps} decode steps failed: restart this worker"
        return NotReady("decoding_fails", told, 5)
    age = engine.last_decode_age_s
    if age is not None and age > (PREFILL_STALL_S if engine.prefilling else STALL_S):
        return NotReady("stalled", f"no decode progress for {age:.0f} s although requests are pending", 5)
    return None
