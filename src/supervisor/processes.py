"""Which process is which, also for a later supervisor: a pid, and when it was started, since pids are used again."""

import asyncio
import os
import signal
import time
from contextlib import suppress

import psutil

SAME_START_S = 0.05  # clock ticks are 0.01 s


def started_at(process: psutil.Process) -> float:
    """What tells `process` from others with its pid, in seconds. Raises psutil.NoSuchProcess.

    Linux counts from the boot, which psutil turns into a time of day that moves whenever the clock is set; macOS keeps
    the time of day at which the process was started.
    """
    created: float = process.create_time()
    return created - psutil.boot_time() if psutil.LINUX else created


def age_s(process: psutil.Process) -> float:
    """How long it runs, as far as the clock was not set meanwhile."""
    return max(0.0, time.time() - process.create_time())


def find(pid: int, started: float) -> psutil.Process | None:
    """The live process with this pid that was started then; None when it has ended."""
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        if abs(started_at(process) - started) < SAME_START_S and is_alive(process):
            return process
    return None


def is_alive(process: psutil.Process) -> bool:
    """Dead is enough to be gone: the parent of an adopted process may never collect it.

    While the system does not tell, with no descriptor free, say, it counts as alive.
    """
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
    except OSError:
        return True


def option(process: psutil.Process, name: str) -> str:
    """What follows `name` on the command line of `process`; empty when it is not there, or the process is not."""
    with suppress(psutil.Error, ValueError, IndexError):
        words: list[str] = process.cmdline()
        return words[words.index(name) + 1]
    return ""


def signal_group(leader: int, number: signal.Signals) -> None:
    """To all of a session that `leader` began; a process that is gone needs none."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, number)


async def finish_child(child: asyncio.subprocess.Process, timeout_s: float) -> tuple[bytes, bytes]:
    """What a helper process wrote until its end, to output and errors, as far as they are pipes.

    It has ended on return, whatever happens. Raises TimeoutError.
    """
    try:
        async with asyncio.timeout(timeout_s):
            output, errors = await child.communicate()
    finally:
        await end_child(child)
    return output or b"", errors or b""


async def end_child(child: asyncio.subprocess.Process) -> None:
    """Kill and collect a helper process that has not ended: its caller gave up, or was cancelled.

    If it leads a group, what it started ends with it: that would hold its output open, and be waited for.
    """
    if child.returncode is None:
        with suppress(ProcessLookupError):
            leads = os.getpgid(child.pid) == child.pid
            os.killpg(child.pid, signal.SIGKILL) if leads else child.kill()
        await child.wait()
