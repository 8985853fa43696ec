"""Prometheus metrics of this process. Observers hand in finished records; nothing else knows the library."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from modelsvc.engine.types import Finished, ModelInfo, Snapshot, StepTaken
from modelsvc.worker.memory import Memory, own_memory

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
        ProcessCollector(registry=self._registry)
        info = Info("modelsvc_worker", "What this worker runs", registry=self._registry)
        info.info({"color": color, "release": str(release), "version": version})
        self._in_flight = 0
        self._now: _Now | None = None
        self._requests = self._counter("modelsvc_http_requests", "Answered requests", ["route", "code"])
        self._seconds = self._histogram(
            "modelsvc_http_request_duration_seconds", "From a request's head to its answer's end", labels=["route"]
        )
        self._errors = self._counter("modelsvc_http_errors", "Errors told to clients, by their code", ["error"])
        self._prompt_tokens = self._counter("modelsvc_prompt_tokens", "Prompt tokens of finished requests")
        self._cached_tokens = self._counter("modelsvc_cached_tokens", "Those of them that were computed already")
        self._completion_tokens = self._counter("modelsvc_completion_tokens", "Generated tokens of finished requests")
        self._queue = self._histogram("modelsvc_queue_seconds", "Waiting time before a request's first step")
        self._first_token = self._histogram("modelsvc_time_to_first_token_seconds", "Arrival to first token")
        self._decode = self._histogram("modelsvc_decode_seconds", "First token to last token")
        self._gap = self._histogram("modelsvc_inter_token_seconds", "From one token to the next", _STEP_SECONDS)
        self._step = self._histogram("modelsvc_step_seconds", "Computing one batch", _STEP_SECONDS)
        self._batch = self._histogram("modelsvc_step_tokens", "Tokens in one batch", _TOKENS)
        self._load = Gauge(
            "modelsvc_model_load_seconds", "How long the model took to load; 0 until it has", registry=self._registry
        )

    def watch(self, snapshot: Callable[[], Snapshot | None], model: Callable[[], ModelInfo | None]) -> None:
        """What is read when scraped."""
        self._now = _Now(lambda: self._in_flight, snapshot, model)
        self._registry.register(self._now)

    def loaded(self, seconds: float) -> None:
        self._load.set(seconds)

    def asked(self) -> None:
        """A request came; `answered` ends it."""
        self._in_flight += 1

    def answered(self, route: str, status: int, seconds: float, error: str = "") -> None:
        self._in_flight -= 1
        self._requests.labels(route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)
        if error:
            self._errors.labels(error).inc()

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

    async def render(self) -> bytes:
        """Memory is read in a thread: the system takes 10 ms to count the pages of a gigabyte."""
        if self._now:
            self._now.memory = await asyncio.to_thread(own_memory)
        return generate_latest(self._registry)

    def _counter(self, name: str, documentation: str, labels: Iterable[str] = ()) -> Counter:
        return Counter(name, documentation, labels, registry=self._registry)

    def _histogram(
        self, name: str, documentation: str, buckets: Sequence[float] = _SECONDS, labels: Iterable[str] = ()
    ) -> Histogram:
        return Histogram(name, documentation, labels, buckets=buckets, registry=self._registry)


class _Now(Collector):
    """Gauges that all tell of the moment of the scrape."""

    def __init__(
        self,
        in_flight: Callable[[], int],
        snapshot: Callable[[], Snapshot | None],
        model: Callable[[], ModelInfo | None],
    ) -> None:
        self._in_flight, self._snapshot, self._model = in_flight, snapshot, model
        self.memory: Memory | None = None

    def collect(self) -> Iterator[Metric]:
        snapshot, model = self._snapshot(), self._model()
        yield _gauge(
            "modelsvc_http_requests_in_flight",
            "Requests being answered, without the one that asks this",
            max(0, self._in_flight() - 1),
        )
        for name, documentation, of_engine in _ENGINE:
            yield _gauge(name, documentation, of_engine(snapshot) if snapshot else 0)
        for name, documentation, of_memory in _MEMORY:
            yield _gauge(name, documentation, of_memory(self.memory) if self.memory else None)
        yield _gauge(
            "modelsvc_process_shared_model_bytes",
            "Weights mapped from the model file, which all processes that map it share",
            model.mapped_bytes if model else 0,
        )


def _gauge(name: str, documentation: str, value: float | None) -> Metric:
    return GaugeMetricFamily(name, documentation, value=value)


_ENGINE: tuple[tuple[str, str, Callable[[Snapshot], float]], ...] = (
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
    (
        "modelsvc_engine_stalled_seconds",
        "How long requests have been pending without a decode step; 0 while none is pending",
        lambda found: found.last_decode_age_s or 0,
    ),
)
_MEMORY: tuple[tuple[str, str, Callable[[Memory], float]], ...] = (
    (
        "modelsvc_process_resident_memory_bytes",
        "Resident memory, shared weights included",
        lambda found: found.rss_bytes,
    ),
    ("modelsvc_process_private_memory_bytes", "Memory of this process alone", lambda found: found.private_bytes),
)
