"""What the edge did: its switches, and what clients were answered by it."""

from collections.abc import Sequence

from prometheus_client import CollectorRegistry

from supervisor.core.state import Color
from supervisor.nginx.access_log import EdgeEntry
from supervisor.telemetry.instruments import EDGE_SECONDS, REQUEST_SECONDS, Instruments

NOBODY = "none"
# Counted from 0, or a burst of one between two scrapes would be the beginning of its series, and no increase.
FORESEEN_CODES = ("200", "429", "499", "500", "502", "503", "504")


class EdgeCounters:
    """`color` is "none" where no worker answered, and where requests are held."""

    def __init__(self, registry: CollectorRegistry) -> None:
        make, colors = Instruments(registry), (*Color, NOBODY)
        self._switches = make.counter("modelsvc_edge_switches", "Changes of the route, by where to", color=colors)
        self._switch_seconds = make.histogram(
            "modelsvc_edge_switch_duration_seconds",
            "How long a change of the route took, with the reload of the configuration where one was needed",
            EDGE_SECONDS,
        )
        self._requests = make.counter(
            "modelsvc_edge_requests", "Requests as clients saw them answered", color=colors, code=FORESEEN_CODES
        )
        self._seconds = make.histogram(
            "modelsvc_edge_request_duration_seconds",
            "From the first byte of a request to the last of its answer, as the client saw it",
            REQUEST_SECONDS,
            "color",
        )
        for color in colors:
            self._seconds.labels(color)

    def switched(self, color: Color | None, seconds: float) -> None:
        self._switches.labels(color or NOBODY).inc()
        self._switch_seconds.observe(seconds)

    def answered(self, entries: Sequence[EdgeEntry]) -> None:
        """Follows `supervisor.nginx.traffic`."""
        for entry in entries:
            color = entry.color or NOBODY
            self._requests.labels(color, entry.status).inc()
            self._seconds.labels(color).observe(entry.seconds)
