"""What llama.cpp's load log says. Pure."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

_BUFFER = re.compile(r"(?P<name>\S+) model buffer size\s*=\s*(?P<mib>[\d.]+) MiB")
_PREFIX = re.compile(r"^\w+: ")
_ERROR = 4


@dataclass(frozen=True, slots=True)
class WeightBuffers:
    mapped_bytes: int
    copied_bytes: int
    repacked: bool


def weight_buffers(lines: Iterable[str]) -> WeightBuffers:
    sizes = [(match["name"], round(float(match["mib"]) * 2**20)) for line in lines if (match := _BUFFER.search(line))]
    return WeightBuffers(
        mapped_bytes=sum(size for name, size in sizes if name.endswith("_Mapped")),
        copied_bytes=sum(size for name, size in sizes if not name.endswith("_Mapped")),
        repacked=any("REPACK" in name for name, _ in sizes),
    )


def failure_reason(log: Iterable[tuple[int, str]], default: str) -> str:
    """The most telling error line: the first one, without the function names in front."""
    for level, line in log:
        if level == _ERROR and not line.endswith("failed to load model"):
            return _PREFIX.sub("", _PREFIX.sub("", line)).removeprefix("error loading model: ")
    return default
