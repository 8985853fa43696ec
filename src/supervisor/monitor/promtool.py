"""promtool, which comes with prometheus: whether it accepts a configuration and its rules."""

import asyncio
import shutil
from pathlib import Path

from supervisor.errors import MonitorError
from supervisor.monitor.files import CONFIG_NAME
from supervisor.monitor.prometheus import USUAL_FOLDERS, locate
from supervisor.processes import finish_child
from supervisor.protocol import MonitorCheck

TIMEOUT_S = 30.0


def locate_promtool(prometheus: str) -> Path:
    """Beside prometheus, else where programs usually are. Raises MonitorError."""
    beside = locate(prometheus).resolve().parent
    for place in (str(beside), None, ":".join(USUAL_FOLDERS)):
        if found := shutil.which("promtool", path=place):
            return Path(found)
    raise MonitorError(
        f"there is no promtool beside {prometheus!r}: install the whole package", code="promtool_missing"
    )


async def check(prometheus: str, folder: Path) -> MonitorCheck:
    """`promtool check config`, which reads the rules too. Raises MonitorError when promtool cannot be run."""
    command = [str(locate_promtool(prometheus)), "check", "config", str(folder / CONFIG_NAME)]
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
    except OSError as error:
        raise MonitorError(f"cannot run {command[0]}: {error.strerror}", code="promtool_missing") from error
    try:
        output, _ = await finish_child(process, TIMEOUT_S)
    except TimeoutError as error:
        raise MonitorError(f"{command[0]} did not end within {TIMEOUT_S:.0f} s") from error
    return MonitorCheck(passed=process.returncode == 0, command=command, output=output.decode(errors="replace").strip())
