"""`modelsvc ctl … --json` beside the traffic, and when each of its steps began."""

import json
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from loadtest.rig.service import Target
from loadtest.rig.values import Operation, StepTaken

from supervisor.client import ControlClient
from supervisor.protocol import DeploymentStatus

PATIENCE_S = 1200
HISTORY = 100
Told = tuple[float, dict[str, Any]]  # when, by the monotonic clock, and what


def operate(target: Target, words: Sequence[str], log: Path) -> Operation:
    """Run it to its end; `log` gets what it said, each line with the time."""
    command = [sys.executable, "-m", "modelsvc", "ctl", *words, "--timeout", str(PATIENCE_S), "--json"]
    began_s, told = time.monotonic(), list[Told]()
    with (
        log.open("a", encoding="utf-8") as file,
        subprocess.Popen(
            command, env=target.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
        ) as process,
    ):
        assert process.stdout is not None
        for line in process.stdout:
            told.append((time.monotonic(), json.loads(line)))
            file.write(json.dumps({"at_s": told[-1][0], **told[-1][1]}) + "\n")
    return operation(" ".join(("modelsvc ctl", *words)), began_s, time.monotonic(), process.returncode, told)


def operation(command: str, began_s: float, ended_s: float, exit_code: int, told: Sequence[Told]) -> Operation:
    """What became of it, by its events; one that was not even accepted has no steps."""
    accepted = next(((at_s, event) for at_s, event in told if event.get("event") == "accepted"), None)
    finished = next(((at_s, event) for at_s, event in told if event.get("event") == "finished"), None)
    error = next((event["error"]["message"] for _, event in told if "error" in event), "")
    return Operation(
        command=command,
        kind=accepted[1]["kind"] if accepted else command.split()[2],
        began_s=accepted[0] if accepted else began_s,
        ended_s=finished[0] if finished else ended_s,
        exit_code=exit_code,
        outcome=finished[1]["outcome"] if finished else "",
        reason=finished[1]["reason"] if finished else error,
        steps=tuple(_steps(finished[1]["steps"], told)) if finished else (),
    )


def _steps(reports: Iterable[dict[str, Any]], told: Sequence[Told]) -> Iterable[StepTaken]:
    began: dict[int, float] = {}
    for at_s, event in told:
        if event.get("event") == "step" and event["step"]["state"] == "running":
            began.setdefault(event["step"]["number"], at_s)
    for report in reports:
        number = report["number"]
        yield StepTaken(number, report["name"], report["title"], report["state"], report["seconds"], began.get(number))


def meanwhile(client: ControlClient, since_s: float) -> list[Operation]:
    """Deployments that others began after `since_s`, by the service's history, which does not tell when steps began."""
    ahead_s = time.monotonic() - time.time()
    found = [(ahead_s + datetime.fromisoformat(past.started_at).timestamp(), past) for past in client.history(HISTORY)]
    return [_recorded(began_s, past) for began_s, past in reversed(found) if began_s >= since_s and past.outcome]


def _recorded(began_s: float, past: DeploymentStatus) -> Operation:
    steps = (StepTaken(step.number, step.name, step.title, step.state, step.seconds, None) for step in past.steps)
    return Operation(
        command=f"deployment {past.deployment}, begun by others",
        kind=past.kind,
        began_s=began_s,
        ended_s=began_s + (past.seconds or 0.0),
        exit_code=0,
        outcome=past.outcome or "",
        reason=past.reason,
        steps=tuple(steps),
    )
