"""What can be done with the service: install, remove, start, stop, restart."""

import errno
import socket
from dataclasses import dataclass
from pathlib import Path

from modelsvc.service import files
from modelsvc.service.errors import InTheWay, NotInstalled
from modelsvc.service.files import File
from modelsvc.service.installation import Installation, Recorded
from modelsvc.service.manager import Manager
from supervisor import config as configuration
from supervisor import lock
from supervisor.config import split_listen
from supervisor.errors import StorageError
from supervisor.paths import StatePaths, check_owner, control_socket, find_config, state_paths
from supervisor.protocol import HOME_ENV


@dataclass(frozen=True, slots=True)
class Installed:
    """What an installation did: `changed` are the files that were not as they should be. `note` is for the user."""

    files: tuple[File, ...]
    changed: tuple[File, ...]
    note: str = ""


def install(manager: Manager, installation: Installation, at_once: bool = False) -> Installed:
    """Write the files, have them in force, and the service running; `at_once` as with `Manager`.

    Raises NoManager, InTheWay, StorageError, ManagerFailed.

    Nothing is written before it is known that the service can begin. Done again it changes only what differs.
    """
    manager.check()
    _check_folder(manager, installation.state)
    _check_address(manager, installation.listen)
    wanted = manager.files(installation)
    changed = tuple(file for file in wanted if file.differs or not file.exists)
    _make_log_folder(installation.state)
    if state_folder(manager, installation.state) != installation.state:
        manager.stop()  # its nginx and workers, which the next supervisor would know nothing of
    files.write(changed)
    manager.put_in_force(changed, at_once)
    return Installed(wanted, changed, manager.linger())


def uninstall(manager: Manager) -> tuple[Path, ...]:
    """Stop the service and remove its files, which are returned; its state stays. Raises NotInstalled, NoManager."""
    there = tuple(path for path in manager.paths() if path.is_file())
    if not there:
        raise NotInstalled("the service is not installed: there is nothing to remove")
    manager.check()
    manager.unload()
    files.remove(there)
    manager.forget()
    return there


def start(manager: Manager, at_once: bool = False) -> None:
    """Raises NotInstalled, ConfigError, NoManager, InTheWay or ManagerFailed."""
    _check_installed(manager)
    _check_start(manager)
    manager.start(at_once)


def stop(manager: Manager) -> None:
    """Raises NotInstalled, NoManager or ManagerFailed."""
    _check_installed(manager)
    manager.stop()


def restart(manager: Manager, at_once: bool = False) -> None:
    """Raises NotInstalled, ConfigError, NoManager, InTheWay or ManagerFailed; whoever runs goes on then."""
    _check_installed(manager)
    _check_start(manager)
    manager.restart(at_once)


def state_folder(manager: Manager, default: StatePaths | None = None) -> StatePaths:
    """The installed service's own; where none is installed, `default`, or what this shell says."""
    recorded = manager.recorded()
    return StatePaths(recorded.home) if recorded else default or state_paths()


def socket_of(manager: Manager) -> Path:
    """The installed service's control socket; this shell's own where its files do not tell. Raises ConfigError."""
    recorded = manager.recorded()
    if recorded is None:
        return control_socket(find_config())
    return control_socket(_config(recorded), {HOME_ENV: str(recorded.home)})


def _config(recorded: Recorded) -> Path | None:
    """As the supervisor finds it, which begins in `/`."""
    return find_config(recorded.config, {}, Path("/"))


def _make_log_folder(paths: StatePaths) -> None:
    """For the manager, which opens the log first. Each folder by itself: `parents` would open the state to others."""
    check_owner(paths)
    try:
        for folder in (paths.root, paths.logs):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(
            f"the folder {paths.logs} cannot be made: {error.strerror}; set MODELSVC_HOME to one that can"
        ) from error


def _check_start(manager: Manager) -> None:
    """A supervisor could begin on what the service is installed with. Raises ConfigError, InTheWay."""
    _check_folder(manager, state_folder(manager))
    if recorded := manager.recorded():
        configuration.load(_config(recorded))


def _check_installed(manager: Manager) -> None:
    if not all(path.is_file() for path in manager.paths()):
        raise NotInstalled("the service is not installed: run `modelsvc service install` first")
    manager.check()


def _check_folder(manager: Manager, paths: StatePaths) -> None:
    """No other supervisor runs on the state folder. Raises InTheWay."""
    holder = lock.holder(paths.lock)
    if holder and holder != manager.seen().pid:
        raise InTheWay(
            f"a supervisor that {manager.name} did not start (pid {holder}) runs on {paths.root}: end it with"
            " `modelsvc ctl shutdown`, then try again"
        )


def _check_address(manager: Manager, listen: str) -> None:
    """The service manager can listen there. Raises InTheWay."""
    seen = manager.seen()
    if not (seen.loaded or seen.pid) and is_taken(listen):
        raise InTheWay(
            f"somebody listens on {listen} (edge.listen) already: if that is modelsvc's own nginx, whose supervisor was"
            " killed, run `modelsvc up` and `modelsvc ctl shutdown`; else stop it, or set another address"
        )


def is_taken(listen: str) -> bool:
    """Whether the service manager could not listen there."""
    host, port = split_listen(listen)
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((host, port))
        except OSError as error:
            return error.errno == errno.EADDRINUSE
    return False
