"""Who watches: each record goes to journal, log and counters, and as protocol events to whoever waits for it."""

from supervisor.telemetry.hub import Hub, Narrator
from supervisor.telemetry.metrics import Metrics
from supervisor.telemetry.sinks import Journaling, Log

__all__ = ["Hub", "Journaling", "Log", "Metrics", "Narrator"]
