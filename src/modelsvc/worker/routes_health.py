"""GET /healthz, /ready, /health as llama-server has it, /health/deep and /metrics."""

import os
import time
from dataclasses import asdict
from typing import Any

from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler

from modelsvc.worker import metrics
from modelsvc.worker.errors import HttpError
from modelsvc.worker.memory import own_memory
from modelsvc.worker.service import Service

EDGE_HEADER = "x-forwarded-for"  # which the edge always sets


def health_routes(service: Service) -> list[HTTPRouteHandler]:
    @get("/healthz")
    async def healthz() -> dict[str, str]:
        return {"status": "alive"}

    def check_ready() -> None:
        if reason := service.why_not_ready():
            raise HttpError(503, reason.code, reason.message, reason.retry_after_s)

    @get("/ready")
    async def ready() -> dict[str, str]:
        check_ready()
        return {"status": "ready"}

    @get(["/health", "/v1/health"])
    async def health() -> dict[str, str]:
        check_ready()
        return {"status": "ok"}

    @get("/health/deep")
    async def deep() -> dict[str, Any]:
        return report(service)

    @get("/metrics")
    async def scrape() -> Response[bytes]:
        return Response(await service.metrics.render(), media_type=metrics.CONTENT_TYPE)

    @post("/foreground", status_code=200)
    async def foreground(request: Request[Any, Any, Any]) -> dict[str, str]:
        if EDGE_HEADER not in request.headers:  # a client at the edge has no say in it
            service.come_forward(now=True)
        return {"status": "foreground"}

    return [healthz, ready, health, deep, scrape, foreground]


def report(service: Service) -> dict[str, Any]:
    identity = service.identity
    snapshot = service.snapshot()
    return {
        "color": identity.color,
        "worker_id": identity.worker_id,
        "release": identity.release.number,
        "package_version": identity.package_version,
        "pid": os.getpid(),
        "uptime_s": round(time.monotonic() - service.started_at, 3),
        "state": service.phase,
        "model": _model(service),
        "memory": asdict(own_memory()),
        "engine": asdict(snapshot) if snapshot else None,
        "requests": service.tally.counts(),
        "latency": service.latency.report(),
    }


def _model(service: Service) -> dict[str, Any]:
    recorded = service.identity.release.model
    loaded = asdict(service.engine.model) if service.engine else {}
    return {"path": recorded.path, "sha256": recorded.sha256, "size_bytes": recorded.size_bytes, **loaded}
