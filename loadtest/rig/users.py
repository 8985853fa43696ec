"""Locust as a process of its own."""

import math
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from loadtest import records
from loadtest.rig.errors import RunFailed

ROOT = Path(__file__).resolve().parents[2]
BEGIN_TIMEOUT_S = 60.0
LAST_ANSWERS_S = 130  # longer than a user waits for a byte of an answer
POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class Users:
    """Users who ask; `log` is what Locust says."""

    process: "subprocess.Popen[bytes]"
    records: Path
    log: Path

    def begin(self) -> float:
        """Wait for the first record; when its request began, by the monotonic clock."""
        deadline = time.monotonic() + BEGIN_TIMEOUT_S
        while not self._recorded():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RunFailed(f"Locust recorded nothing within {BEGIN_TIMEOUT_S:g} s; see {self.log}")
            time.sleep(POLL_S)
        return records.read(self.records)[0].began_s

    def go_on(self, seconds: float) -> None:
        """Let them ask for that long."""
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return
        raise RunFailed(f"Locust ended by itself with {code}; see {self.log}")

    def stop(self) -> int:
        """Each gets the answer it waits for; Locust's exit code, which is 0 when Locust itself did well."""
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.wait(LAST_ANSWERS_S + 10)

    def _recorded(self) -> bool:
        return self.records.exists() and self.records.read_bytes().count(b"\n") > 1


@contextmanager
def users(url: str, folder: Path, count: int, tokens: int, prompt_words: int, limit_s: float) -> Iterator[Users]:
    """So many users, until the end of the block at the latest, and for `limit_s` should we be killed before."""
    written, log = folder / "requests.csv", folder / "locust.log"
    command = [
        sys.executable, "-m", "locust", "-f", str(ROOT / "loadtest/locustfile.py"), "--headless", "--only-summary",
        "--host", url, "--users", str(count), "--spawn-rate", str(count),
        "--run-time", f"{math.ceil(limit_s)}s",
        "--stop-timeout", str(LAST_ANSWERS_S), "--exit-code-on-error", "0",
        "--records", str(written), "--tokens", str(tokens), "--prompt-words", str(prompt_words),
    ]  # fmt: skip
    with log.open("wb") as file:
        # In a session of its own, for Ctrl-C is ours: the users get their last answers.
        process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True
        )
    try:
        yield Users(process, written, log)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
