"""Metrics whose labels are known from the start begin at 0, so that the first event already is an increase."""

from collections.abc import Sequence
from itertools import product

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics

disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each, which nobody asks

EDGE_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
# An answer may wait minutes in a queue, and take as long on a small machine.
REQUEST_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 60, 120, 300, 600)
STEP_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 60, 120, 300, 600)
DEPLOYMENT_SECONDS = (1, 2.5, 5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 300, 600, 1200, 3600)


class Instruments:
    """Makes them, all in one registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def counter(self, name: str, documentation: str, **labels: Sequence[str] | None) -> Counter:
        """Labels by name, each with the values that are foreseen; None for one whose values show in time."""
        counter = Counter(name, documentation, tuple(labels), registry=self._registry)
        values = [known for known in labels.values() if known is not None]
        if labels and len(values) == len(labels):
            for each in product(*values):
                counter.labels(*each)
        return counter

    def histogram(self, name: str, documentation: str, buckets: Sequence[float], *labels: str) -> Histogram:
        return Histogram(name, documentation, labels, buckets=buckets, registry=self._registry)
