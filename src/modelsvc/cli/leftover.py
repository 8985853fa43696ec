"""Processes of the service that live although no supervisor answers, told by the state folder they work in."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import pairwise

import psutil

from supervisor.paths import StatePaths


def left_behind(paths: StatePaths) -> list[str]:
    """Such as `green worker (pid 4711)`."""
    return list(_found(paths))


def explained(left: Sequence[str], holder: str = "") -> str:
    """What they mean, and what to do; `holder` is the pid of a supervisor that lives and does not answer."""
    first = f"end the supervisor that hangs with `kill -9 {holder}`, then " if holder else ""
    return (
        f"no supervisor answers, but {', '.join(left)} still live(s): {first}`modelsvc up` takes them over,"
        " and `modelsvc ctl shutdown` ends all"
    )


def _found(paths: StatePaths) -> Iterator[str]:
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if what := _role(process, paths):
                yield f"{what} (pid {process.pid})"


def _role(process: psutil.Process, paths: StatePaths) -> str:
    """What the process is to the service in that folder; empty when nothing."""
    words = process.cmdline()
    if _option(words, "--release").startswith(f"{paths.releases}/"):
        return f"{_option(words, '--color')} worker"
    if f"--storage.tsdb.path={paths.monitor}" in " ".join(words):
        return "Prometheus"
    if process.name() == "nginx" and (f" {paths.edge}/ " in " ".join(words) or _logs_to(process, paths)):
        return "nginx"
    return ""


def _logs_to(process: psutil.Process, paths: StatePaths) -> bool:
    """Also a worker of nginx whose master is gone: it names nothing on its command line."""
    return any(file.path.startswith(f"{paths.edge}/") for file in process.open_files())


def _option(words: Sequence[str], name: str) -> str:
    return next((value for option, value in pairwise(words) if option == name), "")
