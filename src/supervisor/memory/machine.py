"""What the machine can still give: the system's own estimate, and on Linux the cgroup's when that is less."""

from collections.abc import Iterator
from pathlib import Path

import psutil

from supervisor.core.account import Machine

CGROUPS = Path("/sys/fs/cgroup")
OWN_CGROUP = Path("/proc/self/cgroup")


def available(cgroups: Path = CGROUPS, own: Path = OWN_CGROUP) -> Machine:
    """The least of what the machine and every cgroup around this process can give without swapping."""
    system = Machine(psutil.virtual_memory().available, psutil.LINUX)
    around = (Machine(left, True, f"the cgroup {folder.name or '/'}") for folder, left in _limits(cgroups, own))
    return min([system, *around], key=lambda machine: machine.available_bytes)


def limit(cgroups: Path = CGROUPS, own: Path = OWN_CGROUP) -> int | None:
    """What the tightest cgroup around this process allows; None without any limit."""
    return min((found for folder in _around(cgroups, own) if (found := _limit(folder)) is not None), default=None)


def _limits(cgroups: Path, own: Path) -> Iterator[tuple[Path, int]]:
    """Each cgroup (v2) with a limit, from this process's own up to the root, and what it has left."""
    for folder in _around(cgroups, own):
        if (left := _left(folder)) is not None:
            yield folder, left


def _around(cgroups: Path, own: Path) -> Iterator[Path]:
    """The folders of this process's own cgroup and of those it is in; none where there are no cgroups (v2)."""
    try:
        lines = own.read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    path = next((line.removeprefix("0::/") for line in lines if line.startswith("0::/")), None)
    if path is None:
        return
    innermost = cgroups / path
    for folder in (innermost, *innermost.parents):
        yield folder
        if folder == cgroups:
            return


def _limit(folder: Path) -> int | None:
    """`memory.max`, in bytes; None when it says `max`, or is not there as in the root."""
    try:
        text = (folder / "memory.max").read_text(encoding="utf-8").strip()
        return None if text == "max" else int(text)
    except (OSError, ValueError):
        return None


def _left(folder: Path) -> int | None:
    """Up to the limit, file pages not counted: the kernel drops those first. None without a limit."""
    try:
        if (limit := _limit(folder)) is None:
            return None
        used = int((folder / "memory.current").read_text(encoding="utf-8"))
        stat = dict(line.split() for line in (folder / "memory.stat").read_text(encoding="utf-8").splitlines())
        return max(0, limit - used + int(stat.get("inactive_file", 0)) + int(stat.get("active_file", 0)))
    except (OSError, ValueError):
        return None
