"""Running the programs of a service manager."""

import shutil
import subprocess
from dataclasses import dataclass

from modelsvc.service.errors import ManagerFailed

QUESTION_TIMEOUT_S = 15.0


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended and what it said."""

    exit_code: int
    out: str
    err: str

    @property
    def words(self) -> str:
        """Its complaint in one line."""
        return " ".join((self.err or self.out).split()) or f"exit code {self.exit_code}"


def exists(program: str) -> bool:
    return shutil.which(program) is not None


def ask(*command: str) -> Ended:
    """Run a program that only tells something; a failure is in the answer."""
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=QUESTION_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return Ended(127, "", f"{command[0]}: {error}")
    return Ended(done.returncode, done.stdout, done.stderr)


def order(*command: str) -> Ended:
    """Run a program that does something, however long that takes. Raises ManagerFailed with its own words."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    except OSError as error:
        raise ManagerFailed(f"{command[0]} cannot be run: {error.strerror}; install it, or mend PATH") from error
    answer = Ended(done.returncode, done.stdout, done.stderr)
    if answer.exit_code:
        raise ManagerFailed(f"`{' '.join(command)}` failed: {answer.words}; see `modelsvc service logs`")
    return answer
