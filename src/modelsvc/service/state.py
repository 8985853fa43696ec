"""How the service is: installed, up to date, running. Looking changes nothing and never fails."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from modelsvc.service.choice import choose
from modelsvc.service.installation import DEFAULT_NAME, resolve
from modelsvc.service.manager import Manager
from supervisor.errors import SupervisorError


@dataclass(frozen=True, slots=True)
class ServiceState:
    """`stale`: the files say something else than an installation now would write. `enabled`: it starts by itself.

    `linger` is None where that is no question, or cannot be told. `problem` says what is wrong, and what to do; it is
    empty when nothing is.
    """

    manager: Literal["systemd", "launchd", "none"]
    installed: bool = False
    files: tuple[Path, ...] = ()  # those that are there
    stale: bool = False
    running: bool = False
    enabled: bool = False
    linger: bool | None = None
    problem: str = ""


def look(config: Path | None = None, name: str = DEFAULT_NAME) -> ServiceState:
    """Never raises; `config` is what the service should be installed with."""
    try:
        manager = choose(name)
    except SupervisorError as error:
        return ServiceState("none", problem=error.message)
    try:
        return judged(_look(manager, config, name))
    except (SupervisorError, OSError) as error:
        return ServiceState(manager.name, problem=str(error))


def judged(state: ServiceState) -> ServiceState:
    """With what is wrong about it; of several things the first."""
    if state.problem or not state.installed:
        return state
    problems = (
        (state.stale, "the installed files are out of date: run `modelsvc service install` again"),
        (not state.running, "it is installed, but does not run: run `modelsvc service start`"),
        (not state.enabled, "it does not start by itself: run `modelsvc service install` again"),
        (state.linger is False, "it ends when you log out: run `loginctl enable-linger`"),
    )
    return replace(state, problem=next((text for wrong, text in problems if wrong), ""))


def _look(manager: Manager, config: Path | None, name: str) -> ServiceState:
    found = tuple(path for path in manager.paths() if path.is_file())
    installed = len(found) == len(manager.paths())
    stale, problem = _compared(manager, config, name)
    state = ServiceState(manager.name, installed, found, stale or bool(found and not installed), problem=problem)
    if not found:
        return state
    manager.check()
    seen = manager.seen()
    return replace(state, running=seen.pid is not None, enabled=seen.enabled, linger=manager.lingers())


def _compared(manager: Manager, config: Path | None, name: str) -> tuple[bool, str]:
    """Whether an installation now would write something else, or why there could be none."""
    try:
        wanted = manager.files(resolve(name, config, manager.recorded()))
    except SupervisorError as error:
        return False, error.message
    return any(file.differs for file in wanted), ""
