"""Which processes are a service's own, whether its supervisor answers or not.

Told by what the supervisor gave them, which is in its state folder: a worker its release, Prometheus its data and nginx
its prefix, by the command line; nginx's workers have the master as parent, or the edge's logs open. The supervisor has
the lock open that its pid is in. Where a process works and what its environment has tells nothing: a shell has it, too.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from supervisor.paths import StatePaths
from supervisor.processes import option

SUPERVISOR, NGINX, PROMETHEUS = "supervisor", "nginx", "Prometheus"
PROMETHEUS_DATA = "--storage.tsdb.path="  # by which Prometheus is known again
_PREFIX = re.compile(r" -p (.+?)/? -c nginx\.conf(?: |$)")  # nginx writes all of its title as one word


def role(process: psutil.Process, paths: StatePaths) -> str:
    """What it is to the service, such as `green worker`; empty: nothing, or it has ended or may not be looked into."""
    with suppress(psutil.Error, OSError):
        return _role(process, paths)
    return ""


def left_behind(paths: StatePaths) -> list[str]:
    """Those that live without a supervisor, such as `green worker (pid 4711)`."""
    found = ((role(process, paths), process.pid) for process in psutil.process_iter())
    return [f"{what} (pid {pid})" for what, pid in found if what not in ("", SUPERVISOR)]


def supervisor_pid(paths: StatePaths) -> int | None:
    """Of the supervisor that holds the lock of the state folder; None: none does."""
    with suppress(OSError, ValueError, psutil.Error):
        process = psutil.Process(int(paths.lock.read_text(encoding="utf-8")))
        if _has_open(process, paths.lock):
            return process.pid
    return None


def other_service(process: psutil.Process) -> StatePaths | None:
    """The state folder of the service that a process is of, whichever that is; None: of none, or nobody may see."""
    with suppress(psutil.Error, OSError):
        for root in _state_folders(process):
            paths = StatePaths(root)
            if paths.lock.exists() and role(process, paths):
                return paths
    return None


def _state_folders(process: psutil.Process) -> Iterator[Path]:
    """Where the process, its parent or what it has open say that the state folder may be."""
    parent = process.parent()
    for each in (process, parent) if parent else (process,):
        words = each.cmdline()
        if release := option(each, "--release"):
            yield Path(release).parent.parent
        yield from (data.parent.parent for data in _prometheus_data(words))
        if prefix := _PREFIX.search(" ".join(words)):
            yield Path(prefix[1]).parent
    yield from (Path(file.path).parent.parent for file in process.open_files())


def _role(process: psutil.Process, paths: StatePaths) -> str:
    words = process.cmdline()
    if (release := option(process, "--release")) and _is_same(Path(release).parent, paths.releases):
        return f"{option(process, '--color')} worker"
    if any(_is_same(data.parent, paths.monitor) for data in _prometheus_data(words)):
        return PROMETHEUS
    if process.name() == NGINX and _is_of_edge(process, words, paths):
        return NGINX
    return SUPERVISOR if process.pid == supervisor_pid(paths) else ""


def _prometheus_data(words: Sequence[str]) -> Iterator[Path]:
    return (Path(word.removeprefix(PROMETHEUS_DATA)) for word in words if word.startswith(PROMETHEUS_DATA))


def _is_of_edge(process: psutil.Process, words: Sequence[str], paths: StatePaths) -> bool:
    """Also a worker of nginx whose master is gone: it names nothing, but logs."""
    parent = process.parent()
    return (
        _has_prefix(words, paths.edge)
        or (parent is not None and _has_prefix(parent.cmdline(), paths.edge))
        or any(_is_same(Path(file.path).parent, paths.edge) for file in process.open_files())
    )


def _has_prefix(words: Sequence[str], edge: Path) -> bool:
    found = _PREFIX.search(" ".join(words))
    return found is not None and _is_same(Path(found[1]), edge)


def _has_open(process: psutil.Process, path: Path) -> bool:
    try:
        return any(_is_same(Path(file.path), path) for file in process.open_files())
    except psutil.AccessDenied:  # another user's: no more than the command line is left to guess by
        return SUPERVISOR in process.cmdline()


def _is_same(one: Path, other: Path) -> bool:
    """The same file, also by another path to it."""
    with suppress(OSError):
        return one == other or one.samefile(other)
    return False
