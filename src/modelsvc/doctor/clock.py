"""The clock. The service counts time by the monotonic one; history, logs and downloads need the time of day."""

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import modelsvc
from modelsvc.doctor.findings import Finding, found
from modelsvc.doctor.situation import Situation
from supervisor.errors import JournalError
from supervisor.formats import rfc3339
from supervisor.journal.peek import peek

WATCHED_S = 0.2
MAX_JUMP_S = 0.1
TOLERATED_S = 60.0
TIMEOUT_S = 5.0
ASK_SYSTEMD = ("timedatectl", "show", "--property=NTPSynchronized", "--value")
SET_CLOCK = "sudo sntp -sS time.apple.com" if sys.platform == "darwin" else "sudo timedatectl set-ntp true"


def check(situation: Situation) -> Iterator[Finding]:
    """What is odd about it, or that nothing is."""
    troubles = [
        *judge(time.time(), _newest_entry(situation.paths.journal), Path(modelsvc.__file__).stat().st_mtime),
        *_jumps(_drift_s()),
        *_unsynchronised(_synchronised()),
    ]
    yield from troubles
    if not troubles:
        yield found("clock_ok", f"it is {rfc3339(time.time())}, and the clock goes evenly")


def judge(now: float, newest_entry: float | None, installed: float) -> Iterator[Finding]:
    """What was written and installed cannot be later than now. All in Unix time."""
    if newest_entry is not None and newest_entry > now + TOLERATED_S:
        yield found(
            "clock_behind_journal",
            f"it is {rfc3339(now)}, and the journal's newest entry is of {rfc3339(newest_entry)}",
            f"set the clock: `{SET_CLOCK}`; were it wrong then, and right now, this goes away by itself",
        )
    if installed > now + TOLERATED_S:
        yield found(
            "clock_behind_package",
            f"it is {rfc3339(now)}, and modelsvc was installed {rfc3339(installed)}",
            f"set the clock: `{SET_CLOCK}`",
        )


def _jumps(drift_s: float) -> Iterator[Finding]:
    if abs(drift_s) > MAX_JUMP_S:
        seen = f"the clock moved by {drift_s:+.3f} s against the monotonic one within {WATCHED_S:g} s"
        yield found("clock_jumps", seen, f"let one program alone set the clock: `{SET_CLOCK}`")


def _unsynchronised(synchronised: bool | None) -> Iterator[Finding]:
    if synchronised is False:
        yield found("clock_not_synchronised", "the system does not synchronise its clock", f"`{SET_CLOCK}`")


def _newest_entry(journal: Path) -> float | None:
    """None when there is no journal that could be asked: its own check tells why."""
    try:
        with peek(journal) as past:
            return past.newest_entry()
    except JournalError:
        return None


def _drift_s() -> float:
    wall, monotonic = time.time(), time.monotonic()
    time.sleep(WATCHED_S)
    return (time.time() - wall) - (time.monotonic() - monotonic)


def _synchronised() -> bool | None:
    """None where nobody tells, as in containers. Asks the system, and no server."""
    if shutil.which(ASK_SYSTEMD[0]) is None:
        return None
    try:
        told = subprocess.run(ASK_SYSTEMD, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    except (OSError, subprocess.SubprocessError):
        return None
    return {"yes": True, "no": False}.get(told.stdout.strip())
