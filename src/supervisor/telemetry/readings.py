"""Gauges, all of one moment: what was read when they were asked for."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from supervisor.core import account
from supervisor.core.lifecycle import Phase
from supervisor.core.state import Color, EdgePhase, Slot, State
from supervisor.holder import HoldCounts
from supervisor.memory.holdings import Held

Labels = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reading:
    """One moment. `forecast_bytes` is None while it is not known."""

    state: State
    held: Sequence[Held] = ()
    available_bytes: int = 0
    forecast_bytes: int | None = None
    holds: HoldCounts = field(default_factory=HoldCounts)
    old_workers: int = 0
    deployment_seconds: float = 0.0


class Readings(Collector):
    """Tells the last reading; nothing without one, for a value that is no longer true is worse than none."""

    def __init__(self) -> None:
        self.last: Reading | None = None

    def collect(self) -> Iterator[Metric]:
        if reading := self.last:
            yield from (*_workers(reading), *_memory(reading), *_deployment(reading), *_edge(reading))


def _workers(reading: Reading) -> Iterator[Metric]:
    state, slots = reading.state, reading.state.slots
    yield _by_color("modelsvc_active", "1 for the colour that serves", {c: state.active is c for c in Color})
    yield _gauge("modelsvc_active_release", "The release that serves; 0: none does", state.active_release or 0)
    yield _by_color(
        "modelsvc_worker_release",
        "The release that runs or last ran in a colour; 0: none did",
        {color: slot.release or 0 for color, slot in slots.items()},
    )
    yield _gauges(
        "modelsvc_worker_state",
        "1 for the state that a colour's worker is in",
        ("color", "state"),
        {(color, phase): slot.phase is phase for color, slot in slots.items() for phase in Phase},
    )
    yield _by_color(
        "modelsvc_worker_wanted",
        "1 where a worker should run",
        {color: slot.wanted for color, slot in slots.items()},
    )
    yield _by_color(
        "modelsvc_worker_crashes_in_a_row",
        "Crashes since a worker of this colour last ran for a minute",
        {color: _crashes(slot) for color, slot in slots.items()},
    )


def _memory(reading: Reading) -> Iterator[Metric]:
    policy, held = reading.state.policy, reading.held
    used, shared = account.total(each.holding for each in held)
    yield _gauge("modelsvc_memory_budget_bytes", "What all of it together may hold", policy.budget_bytes)
    yield _gauge("modelsvc_memory_worker_limit_bytes", "What one worker alone may hold", policy.worker_limit_bytes)
    yield _gauge("modelsvc_memory_used_bytes", "What all of it together holds, each model file counted once", used)
    yield _gauge("modelsvc_memory_shared_bytes", "That part of it which is model files", shared)
    yield _gauge(
        "modelsvc_memory_forecast_bytes",
        "What a standby with the active release would hold alone",
        reading.forecast_bytes,
    )
    yield _gauge("modelsvc_memory_available_bytes", "What machine and cgroup can still give", reading.available_bytes)
    yield _by_process(
        "modelsvc_memory_resident_bytes",
        "Resident memory, shared weights included",
        {each.who: each.memory.rss_bytes for each in held},
    )
    yield _by_process(
        "modelsvc_memory_private_bytes",
        "Memory of a process alone, as the ledger counts it",
        {each.who: each.memory.private_bytes for each in held},
    )


def _deployment(reading: Reading) -> Iterator[Metric]:
    running = reading.state.deployment or reading.state.resumed
    yield _gauge("modelsvc_deployment_running", "1 while a deployment is under way", running is not None)
    yield _gauge("modelsvc_deployment_step", "The number of its step, 1 to 13; 0: none", running.step if running else 0)
    yield _gauge(
        "modelsvc_deployment_running_seconds",
        "How long it has been under way, under this supervisor",
        reading.deployment_seconds,
    )


def _edge(reading: Reading) -> Iterator[Metric]:
    state, holds = reading.state, reading.holds
    yield _gauge("modelsvc_edge_up", "1 while nginx runs", state.edge is EdgePhase.RUNNING)
    yield _gauge("modelsvc_edge_paused", "1 while an operator has requests held", state.paused)
    yield _counter("modelsvc_edge_held", "Requests that were held, for nobody served", holds.held)
    yield _counter("modelsvc_edge_replayed", "Held requests that were given to a worker", holds.replayed)
    yield _counter("modelsvc_edge_given_up", "Held requests that no worker got", holds.given_up)
    yield _gauge("modelsvc_edge_waiting_requests", "Requests that are held now", holds.waiting)
    yield _gauge(
        "modelsvc_edge_old_workers", "nginx workers of before a reload or a kill, which finish", reading.old_workers
    )


def _crashes(slot: Slot) -> int:
    """The last one before a worker is given up schedules no restart."""
    return slot.restarts + (slot.phase is Phase.FAILED)


def _gauge(name: str, documentation: str, value: float | None) -> Metric:
    return GaugeMetricFamily(name, documentation, value=value)


def _counter(name: str, documentation: str, value: float) -> Metric:
    return CounterMetricFamily(name, documentation, value=value)


def _by_color(name: str, documentation: str, values: Mapping[Color, float]) -> Metric:
    return _gauges(name, documentation, ("color",), {(color,): value for color, value in values.items()})


def _by_process(name: str, documentation: str, values: Mapping[str, float]) -> Metric:
    return _gauges(name, documentation, ("process",), {(who,): value for who, value in values.items()})


def _gauges(name: str, documentation: str, labels: Iterable[str], values: Mapping[Labels, float]) -> Metric:
    family = GaugeMetricFamily(name, documentation, labels=tuple(labels))
    for each, value in values.items():
        family.add_metric(each, value)
    return family
