"""`launchctl` with one job that really runs and is kept alive, as far as `modelsvc service` can tell.

It runs as a program of its own. Below $FAKE_MANAGER: `agent`, while the job is loaded; `pid`, while its process runs;
`ended`, how that last did, as `launchctl print` has it.
"""

import os
import plistlib
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

FOLDER = Path(os.environ.get("FAKE_MANAGER", "."))  # it is imported, too, for its path
AGENT, PID, ENDED = FOLDER / "agent", FOLDER / "pid", FOLDER / "ended"
PAUSE_S, POLL_S, DEADLINE_S = 1.0, 0.02, 60.0


def keep() -> None:
    """Until it is unloaded. What it said comes before what one looks at first: whether it runs."""
    with suppress(FileNotFoundError):
        while True:
            keys = plistlib.loads(AGENT.read_bytes())
            with Path(keys["StandardErrorPath"]).open("ab") as log:
                streams = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log}
                environment = {**os.environ, **keys["EnvironmentVariables"]}
                job = subprocess.Popen(keys["ProgramArguments"], env=environment, cwd="/", **streams)  # type: ignore[call-overload]
            write(PID, str(job.pid))
            code = job.wait()
            write(ENDED, f"last exit code = {code}" if code >= 0 else f"last terminating signal = Killed: {-code}")
            PID.unlink()
            time.sleep(PAUSE_S if code else 0)


def write(path: Path, text: str) -> None:
    """As a whole, for another process may be looking."""
    beside = path.with_suffix(".new")
    beside.write_text(text)
    beside.rename(path)


def show(target: str) -> int:
    if target.count("/") == 1:  # the user's domain
        return 0
    if not AGENT.exists():
        return 113
    pid = PID.read_text() if PID.exists() else ""
    ended = ENDED.read_text() if ENDED.exists() else "last exit code = (never exited)"
    sys.stdout.write(f"{target} = {{\n\t{f'pid = {pid}' if pid else 'state = spawn scheduled'}\n\t{ended}\n}}\n")
    return 0


def unload() -> None:
    AGENT.unlink()
    end = time.monotonic() + DEADLINE_S
    while PID.exists() and time.monotonic() < end:
        with suppress(OSError, ValueError):
            os.kill(int(PID.read_text()), signal.SIGTERM)
        time.sleep(POLL_S)


def main(program: str, verb: str, *words: str) -> int:
    match verb:
        case "print":
            return show(words[0])
        case "bootstrap":
            ENDED.unlink(missing_ok=True)
            AGENT.write_bytes(Path(words[1]).read_bytes())
            streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            subprocess.Popen([program, "keep"], start_new_session=True, **streams)  # type: ignore[call-overload]
        case "keep":
            keep()
        case "bootout":
            unload()
        case "kill":
            os.kill(int(PID.read_text()), signal.Signals[words[0]])
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv))
