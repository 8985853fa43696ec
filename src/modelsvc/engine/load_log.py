"""What llama.cpp's load log says. Pure."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

_BUFFER = re.compile(r"(?P<name>\S+) model buffer size\s*=\s*(?P<mib>[\d.]+) MiB")
_PREFIX = re.compile(r"^\w+: ")
_ERROR = 4


@dataclass(frozen=True, slots=True)
class WeightBuffers:
    """Where the weights are: in the mapped file, in copies on the host, or in a device's own memory (CUDA, say)."""

    mapped_bytes: int
    copied_bytes: int
    repacked: bool
    device_bytes: int = 0


def weight_buffers(lines: Iterable[str]) -> WeightBuffers:
    sizes = [(match["name"], round(float(match["mib"]) * 2**20)) for line in lines if (match := _BUFFER.search(line))]
    return WeightBuffers(
        mapped_bytes=sum(size for name, size in sizes if name.endswith("_Mapped")),
        copied_bytes=sum(size for name, size in sizes if not name.endswith("_Mapped") and _on_host(name)),
        repacked=any("REPACK" in name for name, _ in sizes),
        device_bytes=sum(size for name, size in sizes if not name.endswith("_Mapped") and not _on_host(name)),
    )


def _on_host(buffer: str) -> bool:
    """`CPU`, `CPU_REPACK`, `AMX`, `CUDA_Host`; not `CUDA0`, `Vulkan1` or `MTL0`."""
    return buffer.startswith(("CPU", "AMX", "BLAS")) or buffer.endswith("_Host")


def failure_reason(log: Iterable[tuple[int, str]], default: str) -> str:
    """The most telling error line: the first one, without the function names in front."""
    for level, line in log:
        if level == _ERROR and not line.endswith("failed to load model"):
            return _PREFIX.sub("", _PREFIX.sub("", line)).removeprefix("error loading model: ")
    return default
