"""`modelsvc ctl deploy` for a machine that watches: every event printed and kept, and why it failed.

The exit code is that of `modelsvc ctl deploy`. Only the standard library is used: the service's own environment has the
rest. What is to be done comes by the environment, so that no shell reads it:

    MODELSVC_COMMAND  the service's command, such as /srv/modelsvc/bin/modelsvc; `modelsvc` by default
    ARGS              arguments of `modelsvc ctl deploy`, quoted as for a shell
    WHEEL             a wheel, or a folder with one: installed first, with the versions of requirements.lock, and the
                      service restarted, which loses no request
    EVIDENCE          the folder for what is kept; `evidence` by default
"""

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

EVENTS, EXPLANATION, CONSTRAINTS = "deployment.jsonl", "explanation.json", "constraints.txt"
LOCK = Path(__file__).resolve().parent.parent / "requirements.lock"


class Failed(Exception):
    """A step before the deployment did not work; the message is all there is to say."""


@dataclass(frozen=True)
class Deployer:
    """`command` is the service's `modelsvc`; `evidence` a folder for what is kept."""

    command: Path
    evidence: Path

    def upgrade(self, wheel: Path) -> None:
        """Install the wheel beside the command, and have the supervisor run it. Raises Failed."""
        python = self.command.resolve().parent / "python"
        versions = self.evidence / CONSTRAINTS
        versions.write_text(constraints(LOCK.read_text(encoding="utf-8")), encoding="utf-8")
        self._must([str(python), "-m", "pip", "install", "--upgrade", "--constraint", str(versions), str(wheel)])
        self._must([str(self.command), "service", "restart"])

    def deploy(self, arguments: Sequence[str]) -> int:
        """The exit code of the deployment."""
        command = [str(self.command), "ctl", "deploy", "--json", *arguments]
        last: dict[str, Any] = {}
        with (
            (self.evidence / EVENTS).open("w", encoding="utf-8") as kept,
            subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process,
        ):
            assert process.stdout is not None
            for line in process.stdout:
                kept.write(line)
                last = _event(line) or last
                _say(line.rstrip())
        if process.returncode:
            self._explain(last.get("deployment"))
        return process.returncode

    def _explain(self, deployment: int | None) -> None:
        """What could not be asked for has no number: its last event is the error."""
        if deployment is None:
            return
        explain = [str(self.command), "ctl", "explain", str(deployment)]
        _say(subprocess.run(explain, capture_output=True, text=True, check=False).stdout.rstrip())
        told = subprocess.run([*explain, "--json"], capture_output=True, text=True, check=False)
        (self.evidence / EXPLANATION).write_text(told.stdout, encoding="utf-8")

    @staticmethod
    def _must(command: Sequence[str]) -> None:
        _say(f"$ {' '.join(command)}")
        try:
            code = subprocess.run(command, check=False).returncode
        except OSError as error:
            raise Failed(f"`{' '.join(command)}` cannot be run: {error.strerror}; nothing was deployed") from error
        if code:
            raise Failed(f"`{' '.join(command)}` ended with exit code {code}; nothing was deployed")


def _event(line: str) -> dict[str, Any]:
    try:
        event = json.loads(line)
    except ValueError:
        return {}
    return event if isinstance(event, dict) else {}


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main(environ: Mapping[str, str] = os.environ) -> int:
    name = environ.get("MODELSVC_COMMAND") or "modelsvc"
    command = shutil.which(name)
    if command is None:
        _say(f"there is no command {name!r}: set MODELSVC_COMMAND to the service's, such as /srv/modelsvc/bin/modelsvc")
        return 2
    evidence = Path(environ.get("EVIDENCE") or "evidence")
    evidence.mkdir(parents=True, exist_ok=True)
    for name in (EVENTS, EXPLANATION):  # of the deployment before
        (evidence / name).unlink(missing_ok=True)
    deployer = Deployer(Path(command).absolute(), evidence)
    try:
        arguments = _words(environ.get("ARGS", ""))
        if environ.get("WHEEL"):
            deployer.upgrade(only_wheel(Path(environ["WHEEL"])))
        return deployer.deploy(arguments)
    except Failed as error:
        _say(str(error))
        return 1


def constraints(lock: str) -> str:
    """The versions of a lock. Without its hashes, for with them pip would demand one of the wheel as well."""
    return "".join(f"{line.removesuffix(chr(92)).rstrip()}\n" for line in lock.splitlines() if line[:1].isalnum())


def _words(text: str) -> list[str]:
    """As a shell takes them apart. Raises Failed."""
    try:
        return shlex.split(text)
    except ValueError as error:
        raise Failed(f"ARGS is {text!r}, which no shell takes either ({error}); nothing was deployed") from error


def only_wheel(path: Path) -> Path:
    """The wheel, or the only one in the folder. Raises Failed."""
    if path.is_file():
        return path
    wheels = sorted(path.glob("*.whl"))
    if len(wheels) != 1:
        raise Failed(f"{path} has {len(wheels)} wheels, and should have one; nothing was deployed")
    return wheels[0]


if __name__ == "__main__":
    sys.exit(main())
