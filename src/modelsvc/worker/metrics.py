"""Prometheus metrics of this process. Observers hand in finished records; nothing else knows the library."""

from collections.abc import Callable, Sequence

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from modelsvc.engine.types import Finished, Snapshot, StepTaken
from modelsvc.worker.memory import own_memory

CONTENT_TYPE = CONTENT_TYPE_LATEST.removesuffix("; charset=utf-8")  # the framework adds it
disable_created_metrics()  # type: ignore[no-untyped-call]
# Of requests: an answer may wait minutes in a queue, and take as long on a small machine.
_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 60, 120, 300, 600)
# Of steps and the gaps between tokens.
_STEP_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 180)
_TOKENS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Metrics:
    def __init__(self, color: str, release: int, version: str) -> None:
        self._registry = CollectorRegistry()
        info = Info("modelsvc_worker", "What this worker runs", registry=self._registry)
        info.info({"color": color, "release": str(release), "version": version})
        self._requests = Counter("modelsvc_requests", "Answered requests", ["route", "code"], registry=self._registry)
        self._prompt_tokens = self._counter("modelsvc_prompt_tokens", "Prompt tokens of finished requests")
        self._cached_tokens = self._counter("modelsvc_cached_tokens", "Those of them that were computed already")
        self._completion_tokens = self._counter("modelsvc_completion_tokens", "Generated tokens of finished requests")
        self._queue = self._histogram("modelsvc_queue_seconds", "Waiting time before a request's first step")
        self._first_token = self._histogram("modelsvc_time_to_first_token_seconds", "Arrival to first token")
        self._decode = self._histogram("modelsvc_decode_seconds", "First token to last token")
        self._gap = self._histogram("modelsvc_inter_token_seconds", "From one token to the next", _STEP_SECONDS)
        self._step = self._histogram("modelsvc_step_seconds", "Computing one batch", _STEP_SECONDS)
        self._batch = self._histogram("modelsvc_step_tokens", "Tokens in one batch", _TOKENS)
        self._load = self._gauge("modelsvc_model_load_seconds", "How long the model took to load")
        for metric, documentation, value in _MEMORY:
            self._gauge(metric, documentation).set_function(value)

    def watch(self, in_flight: Callable[[], int], snapshot: Callable[[], Snapshot | None]) -> None:
        """Gauges that are read when scraped."""

        def count(of: Callable[[Snapshot], int]) -> Callable[[], float]:
            return lambda: of(found) if (found := snapshot()) else 0

        self._gauge("modelsvc_requests_in_flight", "Chat requests being answered").set_function(in_flight)
        for name, documentation, of in _ENGINE:
            self._gauge(name, documentation).set_function(count(of))

    def loaded(self, seconds: float) -> None:
        self._load.set(seconds)

    def answered(self, route: str, status: int) -> None:
        self._requests.labels(route, str(status)).inc()

    def stepped(self, step: StepTaken) -> None:
        """On the decoding thread."""
        self._step.observe(step.seconds)
        self._batch.observe(step.tokens)
        for gap in step.gaps:
            self._gap.observe(gap)

    def generated(self, finished: Finished) -> None:
        self._prompt_tokens.inc(finished.usage.prompt_tokens)
        self._cached_tokens.inc(finished.usage.cached_tokens)
        self._completion_tokens.inc(finished.usage.completion_tokens)
        self._queue.observe(finished.timings.queue_seconds)
        self._first_token.observe(finished.timings.first_token_seconds)
        self._decode.observe(finished.timings.decode_seconds)

    def render(self) -> bytes:
        return generate_latest(self._registry)

    def _counter(self, name: str, documentation: str) -> Counter:
        return Counter(name, documentation, registry=self._registry)

    def _gauge(self, name: str, documentation: str) -> Gauge:
        return Gauge(name, documentation, registry=self._registry)

    def _histogram(self, name: str, documentation: str, buckets: Sequence[float] = _SECONDS) -> Histogram:
        return Histogram(name, documentation, buckets=buckets, registry=self._registry)


_ENGINE: tuple[tuple[str, str, Callable[[Snapshot], int]], ...] = (
    ("modelsvc_engine_slots", "Requests that can be answered at once", lambda found: found.slots),
    ("modelsvc_engine_running_requests", "Requests that hold a slot", lambda found: found.in_flight),
    (
        "modelsvc_engine_waiting_requests",
        "Requests that wait for a slot or their user's turn",
        lambda found: found.waiting,
    ),
    (
        "modelsvc_engine_cache_tokens",
        "Tokens in the KV cache, those kept of ended requests included",
        lambda found: found.cached_tokens,
    ),
)
_MEMORY: tuple[tuple[str, str, Callable[[], float]], ...] = (
    (
        "modelsvc_process_resident_memory_bytes",
        "Resident memory, shared weights included",
        lambda: own_memory().rss_bytes,
    ),
    ("modelsvc_process_private_memory_bytes", "Memory of this process alone", lambda: own_memory().private_bytes),
)
