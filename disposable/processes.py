"""The processes of one service, told from all others by its folder."""

import os
import signal
from contextlib import suppress
from pathlib import Path

import psutil


def processes_of(folder: Path) -> list[psutil.Process]:
    """Live processes that work in `folder`, name it on their command line, or have their state in it."""
    return [process for process in psutil.process_iter() if process.pid != os.getpid() and _belongs(process, folder)]


def nginx_workers(folder: Path) -> set[int]:
    return {process.pid for process in processes_of(folder) if "nginx: worker" in " ".join(process.cmdline())}


def end_all(folder: Path) -> list[str]:
    """Kill what is left of a service, and tell what that was."""
    left = []
    while processes := processes_of(folder):
        for process in processes:
            with suppress(psutil.Error):
                left.append(f"{process.pid}: {' '.join(process.cmdline())}")
                process.send_signal(signal.SIGKILL)
        psutil.wait_procs(processes, timeout=5)
    return left


def is_alive(pid: int) -> bool:
    with suppress(psutil.NoSuchProcess):
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    return False


def _belongs(process: psutil.Process, folder: Path) -> bool:
    text = str(folder)
    with suppress(psutil.Error, OSError):
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        return (
            process.environ().get("MODELSVC_HOME", "").startswith(text)
            or any(text in part for part in process.cmdline())
            or process.cwd().startswith(text)
        )
    return False
