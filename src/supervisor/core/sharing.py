"""The proof that a standby shares the file's pages instead of holding weights of its own, from figures alone.

What a load shows, in bytes of weights:

    mapped   served from the mapping of the file, and so shared by all who map it
    device   in a GPU's memory of its own (CUDA, say): not shared, and not the machine's memory. Metal maps the file for
             the GPU as well, and reports those buffers as mapped
    copied   in buffers of the process

A CPU build maps all of the file but its header. A build that offloads layers holds them on the device, and that is no
reason to refuse; but what stays on the CPU must be mapped. A small copy is normal (a tied output matrix that a backend
wants for itself), a repacked one never is: it copies most of the weights in another order.

What the system itself shows is judged where it tells private bytes apart from mapped pages (Linux), and only without a
device: drivers hold memory in the process as they please, and a file whose weights went there may be unmapped.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from supervisor.core.ledger import Forecast, mb

MAPPED_SHARE = 0.9  # of the file; the rest is header and vocabulary
COPIED_SHARE = 0.1
PRIVATE_SHARE = 1.1  # of the forecast
PRIVATE_SLACK_BYTES = 32_000_000


@dataclass(frozen=True, slots=True)
class Load:
    """What the worker tells of its weights."""

    mapped_bytes: int
    copied_bytes: int
    repacked: bool
    device_bytes: int = 0


@dataclass(frozen=True, slots=True)
class FileMapping:
    """The model's file in the process as the system shows it (Linux). Copies are pages that are not the file's now."""

    resident_bytes: int
    private_copies_bytes: int


@dataclass(frozen=True, slots=True)
class Memory:
    """What the process holds; None where the system does not tell."""

    private_bytes: int | None = None
    pss_bytes: int | None = None
    mapping: FileMapping | None = None


@dataclass(frozen=True, slots=True)
class Proof:
    """The weights are shared. `detail` tells it in a line."""

    load: Load
    memory: Memory
    forecast_bytes: int
    shared_with: tuple[str, ...]

    @property
    def detail(self) -> str:
        load, memory = self.load, self.memory
        device = f", {mb(load.device_bytes)} on the GPU" if load.device_bytes else ""
        private = "" if memory.private_bytes is None else f"; own {mb(memory.private_bytes)}"
        others = f", shared with {' and '.join(self.shared_with)}" if self.shared_with else ""
        return (
            f"{mb(load.mapped_bytes)} of weights mapped{others}, {mb(load.copied_bytes)} copied{device}{private}"
            f" of {mb(self.forecast_bytes)} forecast"
        )


def judge(
    load: Load, size_bytes: int, forecast: Forecast, memory: Memory, shared_with: Sequence[str] = ()
) -> Proof | str:
    """The proof, or why there is none, with the numbers."""
    reason = _of_load(load, size_bytes)
    if not reason and not load.device_bytes:
        reason = _of_mapping(memory.mapping) or _of_private(forecast, memory)
    return reason or Proof(load, memory, forecast.private_bytes, tuple(shared_with))


def _of_load(load: Load, size_bytes: int) -> str:
    if load.repacked:
        return f"it copied {mb(load.copied_bytes)} of weights into repacked buffers instead of sharing the file's pages"
    if load.copied_bytes > COPIED_SHARE * size_bytes:
        return (
            f"it copied {mb(load.copied_bytes)} of the {mb(size_bytes)} of weights instead of sharing the file's pages"
        )
    placed = load.mapped_bytes + load.device_bytes + load.copied_bytes
    if placed < MAPPED_SHARE * size_bytes:
        return f"it mapped {mb(load.mapped_bytes)} of a model file of {mb(size_bytes)}: the rest is held some other way"
    return ""


def _of_mapping(mapping: FileMapping | None) -> str:
    """None: the system does not show mappings."""
    if mapping is None:
        return ""
    if not mapping.resident_bytes:
        return "the system shows no page of the model file in the process: it read the file instead of mapping it"
    if mapping.private_copies_bytes:
        copies = mb(mapping.private_copies_bytes)
        return f"{copies} of the model's mapping are private copies: the file was not mapped read-only"
    return ""


def _of_private(forecast: Forecast, memory: Memory) -> str:
    allowed = round(PRIVATE_SHARE * forecast.private_bytes) + PRIVATE_SLACK_BYTES
    if memory.private_bytes is None or memory.private_bytes <= allowed:
        return ""
    return (
        f"it holds {mb(memory.private_bytes)} of its own, and {mb(forecast.private_bytes)} were forecast"
        f" (up to {mb(allowed)} is tolerated): part of the weights may be copied; see `modelsvc ctl memory`"
    )
