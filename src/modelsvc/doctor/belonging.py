"""Which processes are the service's own, its supervisor asked or not."""

import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil

from supervisor.paths import StatePaths
from supervisor.protocol import HOME_ENV

KINDS = {"supervisor", "--worker-id"}  # words of the command lines of supervisors and workers


def is_ours(process: psutil.Process, paths: StatePaths) -> bool:
    """Whether it works in the state folder, names it, or was given it: supervisor, workers, nginx and Prometheus do."""
    return any(_uses(each, paths.root) for each in (process, _parent(process)) if each is not None)


def supervisor_pid(paths: StatePaths) -> int | None:
    """Of the supervisor that locked the state folder, if that process still is one."""
    with suppress(OSError, ValueError, psutil.Error):
        process = psutil.Process(int(paths.lock.read_text()))
        if process.status() != psutil.STATUS_ZOMBIE and "supervisor" in " ".join(process.cmdline()):
            return process.pid
    return None


def _uses(process: psutil.Process, root: Path) -> bool:
    return any(_holds(look, process, root) for look in (_names, _works_in, _was_given))


def _holds(look: Callable[[psutil.Process, Path], bool], process: psutil.Process, root: Path) -> bool:
    """What may not be looked at, of another user's process, tells nothing."""
    with suppress(psutil.Error, OSError):
        return look(process, root)
    return False


def _names(process: psutil.Process, root: Path) -> bool:
    """And not another folder whose name begins, or ends, in the same way."""
    named = re.compile(rf"(?:^|[\s=]){re.escape(str(root))}(?:[/\s]|$)")
    return any(named.search(word) for word in process.cmdline())


def _works_in(process: psutil.Process, root: Path) -> bool:
    return Path(process.cwd()).is_relative_to(root)


def _was_given(process: psutil.Process, root: Path) -> bool:
    """As supervisors and workers are. Where a shell exports the variable, everything started there has it, too."""
    is_kind = not KINDS.isdisjoint(process.cmdline())
    return is_kind and process.environ().get(HOME_ENV) == str(root)


def _parent(process: psutil.Process) -> psutil.Process | None:
    with suppress(psutil.Error):
        return process.parent()
    return None
