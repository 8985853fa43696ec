"""Room on the disk: to go on at all, and for a second model beside the one that serves."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from modelsvc.doctor.findings import Finding, found
from modelsvc.doctor.situation import Situation
from modelsvc.doctor.state_folder import nearest
from supervisor.core.ledger import mb
from supervisor.logs import KEPT, ROTATE_BYTES
from supervisor.paths import StatePaths
from supervisor.releases.model_file import model_path
from supervisor.steps.admission import DISK_RESERVE_BYTES


@dataclass(frozen=True, slots=True)
class Room:
    """What is free at `path`, to this user; None: the file system does not count files."""

    path: Path
    free_bytes: int
    free_files: int | None


def check(situation: Situation) -> Iterator[Finding]:
    """At the state folder; and at the model store, where that is another file system."""
    state, store = nearest(situation.paths.root), nearest(situation.paths.models)
    model_bytes = _size(model_path(situation.config.model))
    folders = [state, *([store] if store.stat().st_dev != state.stat().st_dev else [])]
    for folder in folders:
        needed = log_growth_bytes(situation.paths) if folder == state else 0
        yield judge(_room(folder), needed, model_bytes if folder == folders[-1] else 0)


def judge(room: Room, log_bytes: int, model_bytes: int) -> Finding:
    """`log_bytes`: what logs may still grow by. `model_bytes`: of the configured model."""
    free = f"{room.path} has {mb(room.free_bytes)} free"
    tell = f"free the disk: `df -h {room.path}`, `du -sh {room.path}/*`, `modelsvc model list`"
    if room.free_bytes < DISK_RESERVE_BYTES:
        return found("disk_full", f"{free}, and below {mb(DISK_RESERVE_BYTES)} deployments are refused", tell)
    if room.free_files == 0:
        return found("disk_full", f"{free}, but no file more can be made there (inodes)", f"`df -i {room.path}`")
    wanted = DISK_RESERVE_BYTES + log_bytes + model_bytes
    if room.free_bytes < wanted:
        parts = f"logs may grow by {mb(log_bytes)}, another model like this one takes {mb(model_bytes)}"
        return found("disk_no_second_model", f"{free}, of {mb(wanted)} that may be needed: {parts}", tell)
    return found("disk_ok", f"{free}; logs and another model like this one may take {mb(wanted)}")


def log_growth_bytes(paths: StatePaths) -> int:
    """Until every log file is at its limit, with as many old ones as are kept."""
    files = {*paths.log_files.values(), *paths.held_logs}
    return sum(max(0, (KEPT + 1) * ROTATE_BYTES - _with_older(path)) for path in files)


def _with_older(path: Path) -> int:
    return sum(_size(path.with_name(f"{path.name}{suffix}")) for suffix in ("", *(f".{n + 1}" for n in range(KEPT))))


def _size(path: Path) -> int:
    """0 for what is not there: the model's check tells of that."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _room(folder: Path) -> Room:
    counted = os.statvfs(folder)
    return Room(folder, shutil.disk_usage(folder).free, counted.f_favail if counted.f_files else None)
