"""What the machine can still give: the system's own estimate, and on Linux the cgroup's when that is less."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from supervisor.core.account import Machine

CGROUPS = Path("/sys/fs/cgroup")
OWN_CGROUP = Path("/proc/self/cgroup")
UNLIMITED_BYTES = 2**62  # version 1 tells no limit as a number beyond any memory


@dataclass(frozen=True, slots=True)
class _Files:
    """What a cgroup's files, and the file pages in its memory.stat, are called; those of the cgroups in it included."""

    limit: str
    used: str
    file_pages: tuple[str, ...]


V2 = _Files("memory.max", "memory.current", ("inactive_file", "active_file"))
V1 = _Files("memory.limit_in_bytes", "memory.usage_in_bytes", ("total_inactive_file", "total_active_file"))


@dataclass(frozen=True, slots=True)
class _Cgroup:
    folder: Path
    name: str
    files: _Files

    def limit(self) -> int | None:
        """In bytes; None when there is none, as in the root."""
        try:
            text = (self.folder / self.files.limit).read_text(encoding="utf-8").strip()
            return None if text == "max" or int(text) >= UNLIMITED_BYTES else int(text)
        except (OSError, ValueError):
            return None

    def left(self) -> int | None:
        """Up to the limit, file pages not counted: the kernel drops those first. None without a limit."""
        if (limit := self.limit()) is None:
            return None
        try:
            used = int((self.folder / self.files.used).read_text(encoding="utf-8"))
            lines = (self.folder / "memory.stat").read_text(encoding="utf-8").splitlines()
            stat = dict(line.split() for line in lines)
            return max(0, limit - used + sum(int(stat.get(name, 0)) for name in self.files.file_pages))
        except (OSError, ValueError):
            return None


def available(cgroups: Path = CGROUPS, own: Path = OWN_CGROUP) -> Machine:
    """The least of what the machine and every cgroup around this process can give without swapping."""
    system = Machine(psutil.virtual_memory().available, psutil.LINUX)
    around = (
        Machine(left, True, f"the cgroup {cgroup.name}")
        for cgroup in _around(cgroups, own)
        if (left := cgroup.left()) is not None
    )
    return min([system, *around], key=lambda machine: machine.available_bytes)


def limit(cgroups: Path = CGROUPS, own: Path = OWN_CGROUP) -> int | None:
    """What the tightest cgroup around this process allows; None without any limit."""
    return min((found for each in _around(cgroups, own) if (found := each.limit()) is not None), default=None)


def _around(cgroups: Path, own: Path) -> Iterator[_Cgroup]:
    """This process's own cgroup and those it is in; none where there are none.

    In a container of version 1 the path is the host's, and not there: the container's own is mounted as the root.
    """
    try:
        lines = own.read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    paths = {controllers: path for _, controllers, path in (line.split(":", 2) for line in lines)}
    # Both versions may be mounted; then the memory is controlled by one of them.
    old = next((path for controllers, path in paths.items() if "memory" in controllers.split(",")), None)
    root, path, files = (cgroups, paths.get(""), V2) if old is None else (cgroups / "memory", old, V1)
    if path is None:
        return
    innermost = root / path.lstrip("/")
    for folder in (innermost, *innermost.parents):
        yield _Cgroup(folder, "/" if folder == root else folder.name, files)
        if folder == root:
            return
