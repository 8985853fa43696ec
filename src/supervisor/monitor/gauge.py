"""`modelsvc_monitor_up`, for whatever else scrapes the supervisor."""

from prometheus_client import CollectorRegistry, Gauge

from supervisor.core import records as rec
from supervisor.core.monitor.lifecycle import Phase


class MonitorGauge:
    """Follows the records of the managed Prometheus."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._up = Gauge("modelsvc_monitor_up", "1 while the managed Prometheus runs", registry=registry)

    def publish(self, record: rec.Record) -> None:
        if isinstance(record, rec.MonitorChanged):
            self._up.set(record.state == Phase.RUNNING)
