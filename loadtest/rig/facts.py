"""The machine and the programs, for whoever wants to compare figures."""

import platform
from importlib.metadata import version
from pathlib import Path

import psutil
from loadtest.rig.values import Facts

from supervisor.protocol import Status


def facts(status: Status) -> Facts:
    release = status.release
    return Facts(
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        processor=_processor(),
        processors=psutil.cpu_count() or 0,
        memory_bytes=psutil.virtual_memory().total,
        python=platform.python_version(),
        modelsvc=status.version,
        nginx=status.edge.nginx_version,
        llama_cpp=version("llama-cpp-python"),
        locust=version("locust"),
        model=Path(release.model_path).name if release else "",
        model_bytes=release.model_size_bytes if release else 0,
    )


def _processor() -> str:
    """As Linux names it; elsewhere what Python knows."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
