"""The state folder: whose it is, who may enter, whether it can be written, and its lock."""

import os
import pwd
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from modelsvc.doctor.findings import Finding, found
from modelsvc.doctor.situation import Situation
from supervisor.errors import ConfigError
from supervisor.nginx.instance import STATUS_SOCKET
from supervisor.own_processes import supervisor_pid
from supervisor.paths import StatePaths, check_socket_path

SET_HOME = "set MODELSVC_HOME to a folder of your own"


def check(situation: Situation) -> Iterator[Finding]:
    """The folder's own troubles or that it is sound; then sockets' paths and the lock."""
    paths = situation.paths
    yield from _socket_paths(situation)
    if not _exists(paths.root):
        yield _future(paths.root)
        return
    troubles = list(_troubles(paths))
    yield from troubles
    if not troubles:
        yield found("state_ok", f"{paths.root} is yours, closed to others and writable")
    yield from _lock(paths)


def nearest(path: Path) -> Path:
    """`path`, or of the folders above it the first that is there."""
    return next(each for each in (path, *path.parents) if _exists(each))


def _exists(path: Path) -> bool:
    """What is in a folder that may not be entered is there as little as what is not."""
    with suppress(OSError):
        return path.exists()
    return False


def _future(root: Path) -> Finding:
    if root.is_symlink():
        return found("state_no_folder", f"{root} is a link to {root.readlink()}, which is not there", SET_HOME)
    parent = nearest(root)
    if parent.is_dir() and os.access(parent, os.W_OK | os.X_OK):
        return found("state_absent", f"{root} is not there yet; the first `modelsvc up` makes it")
    return found("state_no_folder", f"{root} cannot be made, for {parent} may not be written", SET_HOME)


def _troubles(paths: StatePaths) -> Iterator[Finding]:
    if not paths.root.is_dir():
        yield found("state_no_folder", f"{paths.root} is no folder", SET_HOME)
        return
    kept = (paths.root, paths.run, paths.edge, paths.releases, paths.logs, paths.models, paths.journal, paths.lock)
    there = [path for path in kept if _exists(path)]
    for path in there:
        yield from _owner(path, paths.root)
    if os.geteuid() == paths.root.stat().st_uid:
        yield from (_not_writable(path) for path in there if not _is_usable(path))
        yield from (_open(path) for path in (paths.root, paths.run) if path in there and path.stat().st_mode & 0o077)


def _owner(path: Path, root: Path) -> Iterator[Finding]:
    owner = path.stat().st_uid
    if owner == os.geteuid():
        return
    me, other = _user(os.geteuid()), _user(owner)
    yield found(
        "state_of_another_user",
        f"{path} belongs to {other}, and this is {me}",
        f"run as {other}: `sudo -u {other} modelsvc …`; or take it over: `sudo chown -R {me} {root}`",
    )


def _not_writable(path: Path) -> Finding:
    mode = stat.S_IMODE(path.stat().st_mode)
    rights = "u+rwx" if path.is_dir() else "u+rw"
    return found(
        "state_not_writable",
        f"{path} (mode {mode:04o}) cannot be written",
        f"`chmod {rights} {path}`; if the file system is read-only (`df {path}`), {SET_HOME}",
    )


def _is_usable(path: Path) -> bool:
    return os.access(path, os.R_OK | os.W_OK | (os.X_OK if path.is_dir() else 0))


def _open(path: Path) -> Finding:
    mode = stat.S_IMODE(path.stat().st_mode)
    return found("state_open_to_others", f"{path} has mode {mode:04o}: others may look into it", f"`chmod 700 {path}`")


def _socket_paths(situation: Situation) -> Iterator[Finding]:
    paths = situation.paths
    for socket in (situation.control_socket, paths.notify_socket, paths.hold_socket, paths.edge / STATUS_SOCKET):
        try:
            check_socket_path(socket)
        except ConfigError as error:
            yield found("socket_path_too_long", error.message, "set MODELSVC_HOME or control.socket to a shorter path")
            return


def _lock(paths: StatePaths) -> Iterator[Finding]:
    if not _exists(paths.lock):
        return
    if pid := supervisor_pid(paths):
        yield found("lock_held", f"{paths.lock} is held by the supervisor, pid {pid}")
    else:
        yield found("lock_left", f"{paths.lock} was left by a supervisor that has ended; the next one takes it over")


def _user(uid: int) -> str:
    with suppress(KeyError):
        return pwd.getpwuid(uid).pw_name
    return f"user {uid}"
