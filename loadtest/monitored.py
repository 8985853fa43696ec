"""A deployment of the running service with a look at all metrics before and after it, and what changed.

    python -m loadtest.monitored [ARGUMENTS OF `modelsvc ctl deploy`]

The service is the one that `modelsvc ctl` finds. Exit code: that of the deployment.
"""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx
import msgspec
from loadtest.exposition import Change, changes, parse
from loadtest.report.tables import number
from loadtest.rig import folders
from loadtest.rig.errors import exit_code
from loadtest.rig.folders import OPERATION
from loadtest.rig.operate import operate
from loadtest.rig.service import Target
from loadtest.rig.values import Operation

from supervisor import config as configuration
from supervisor.client import ControlClient
from supervisor.errors import SupervisorError
from supervisor.paths import control_socket, find_config
from supervisor.protocol import ExitCode, Status

TIMEOUT_S = 10.0
NO_DEPLOYMENT = {"--help", "--plan"}


@dataclass(frozen=True, slots=True)
class Scraped:
    """`process` tells one process from the next at the same address; `text` is empty where nobody answered."""

    process: str
    text: str


Snapshot = Mapping[str, Scraped]  # by blue, green, supervisor


def main(arguments: Sequence[str]) -> int:
    if NO_DEPLOYMENT.intersection(arguments):
        sys.stderr.write(f"{__doc__}")
        return ExitCode.MISUSE
    config_path = find_config()
    listen = configuration.load(config_path).control.metrics_listen
    client = ControlClient(control_socket(config_path))
    before = snapshot(client.status(), listen)
    folder = folders.new(Path(os.environ.get("RESULTS", folders.RESULTS)), "monitored")
    target = Target("", os.environ, client, listen)
    operation = operate(target, ("deploy", *arguments), folder / "operations.jsonl")
    after = afterwards(client, listen, before)
    keep(folder, operation, {"before": before, "after": after})
    (folder / "report.md").write_text("\n".join(report(operation, before, after)) + "\n", encoding="utf-8")
    sys.stdout.write((folder / "report.md").read_text(encoding="utf-8") + f"\nkept in {folder}\n")
    return operation.exit_code


def snapshot(status: Status, supervisor_listen: str) -> dict[str, Scraped]:
    """What workers and supervisor tell now."""
    found = {"supervisor": Scraped(str(status.pid), scrape(supervisor_listen))}
    for color, worker in status.workers.items():
        found[color] = Scraped(worker.worker_id or "", scrape(f"127.0.0.1:{worker.port}") if worker.pid else "")
    return found


def afterwards(client: ControlClient, supervisor_listen: str, before: Snapshot) -> Snapshot:
    """Empty when the supervisor is gone: just then what the deployment told is worth keeping."""
    try:
        return snapshot(client.status(), supervisor_listen)
    except SupervisorError:
        return {who: Scraped("", "") for who in before}


def scrape(listen: str) -> str:
    """Empty when there is no answer: one colour may well be absent."""
    try:
        return httpx.get(f"http://{listen}/metrics", timeout=TIMEOUT_S, trust_env=False).raise_for_status().text
    except httpx.HTTPError:
        return ""


def keep(folder: Path, operation: Operation, snapshots: Mapping[str, Snapshot]) -> None:
    (folder / OPERATION).write_bytes(msgspec.json.format(msgspec.json.encode(operation)))
    for when, scraped in snapshots.items():
        (folder / when).mkdir()
        for who, one in scraped.items():
            (folder / when / f"{who}.prom").write_text(one.text, encoding="utf-8")


def report(operation: Operation, before: Snapshot, after: Snapshot) -> Iterator[str]:
    """Markdown."""
    outcome = operation.outcome or f"exit code {operation.exit_code}"
    yield f"# `{operation.command}`: {outcome} after {operation.seconds:.2f} s"
    yield from ["", operation.reason] if operation.reason else []
    yield from ("", "| | step | state | s |", "| ---: | --- | --- | ---: |")
    for step in operation.steps:
        yield f"| {step.number} | {step.name} | {step.state} | {number(step.seconds)} |"
    for who in sorted(after):
        yield from ("", f"## {who}", "", *_source(before[who], after[who]))


def _source(before: Scraped, after: Scraped) -> Iterator[str]:
    if not after.text:
        yield "not running afterwards" if before.text else "not running"
        return
    same = before.process == after.process and bool(before.text)
    if not same:
        yield from ("another process than before: what it counts began with it", "")
    yield from ("| metric | before | after | grown by |", "| --- | ---: | ---: | ---: |")
    for change in changes(parse(before.text), parse(after.text), same_process=same):
        yield _line(change)


def _line(change: Change) -> str:
    values = (number(value) for value in (change.before, change.after, change.grown_by))
    return f"| `{change.series}` | {' | '.join(values)} |"


if __name__ == "__main__":
    sys.exit(exit_code(lambda: main(sys.argv[1:])))
