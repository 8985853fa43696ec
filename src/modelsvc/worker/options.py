"""A release's settings as the engine takes them. Pure but for counting cores."""

import psutil

from modelsvc.engine.types import EngineOptions
from modelsvc.worker.release import Settings

# A token of a model smaller than this is computed sooner by one thread than several can agree on it.
_BYTES_PER_THREAD = 32 * 2**20


def engine_options(settings: Settings, model_bytes: int, *, background: bool = False) -> EngineOptions:
    return EngineOptions(
        context_tokens=settings.context_tokens,
        slots=settings.slots,
        threads=settings.threads or useful_threads(model_bytes, physical_cores()),
        gpu_layers=None if settings.gpu_layers == "auto" else settings.gpu_layers,
        kv_cache=settings.kv_cache,
        queue_limit=settings.queue_limit,
        background=background,
    )


def useful_threads(model_bytes: int, cores: int) -> int:
    return min(cores, 1 + model_bytes // _BYTES_PER_THREAD)


def physical_cores() -> int:
    return psutil.cpu_count(logical=False) or psutil.cpu_count() or 1
