"""What clients notice of deployments: latency before, during and after each, failures, and what each step took.

    python -m benchmarks.deploy_under_load MODEL.gguf [--deployments 3] [--clients 8]

A real service in a folder of its own; closed-loop clients ask through its edge all the time, and the same weights are
deployed again and again. A request counts as `during` when any part of it lies between the order and the end of a
deployment, as `before` or `after` when it lies wholly between deployments. Compare two versions of the code by runs
that take turns (PYTHONPATH=OTHER/src), since whatever else the machine does is in the figures too.
"""

import argparse
import asyncio
import json
import os
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from disposable.service import Service, service_folder
from loadtest.traffic import Sample, Traffic
from rich.console import Console
from rich.table import Table

from supervisor.protocol import DeployRequest, Finished

# One token each in most vocabularies of real models, two in that of tools/random_gguf.py.
WORDS = "the man who had one old cat set out for its new box and saw two men let all the hot tea run off"


@dataclass(frozen=True)
class Deployed:
    """One deployment, by the clock that the requests are measured with."""

    began: float
    ended: float
    finished: Finished


@dataclass(frozen=True)
class Latency:
    requests: int
    p50_s: float
    p95_s: float


def main() -> int:
    options = parse()
    tables = {
        "model": {
            "path": str(Path(options.model).absolute()),
            "threads": 0,
            "context_tokens": options.context_tokens,
            "slots": options.clients,
        },
        "deploy": {"bake_s": options.bake_s, "ready_timeout_s": 180.0},
    }
    with service_folder(Service, tables) as service:
        service.launch()
        service.sees(lambda status: status.active and not status.deployment, "the service serves", 180.0)
        show(options, *asyncio.run(measure(service, options)))
    return 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="what clients notice of deployments")
    parser.add_argument("model", help="GGUF file; it gets as many slots as there are clients")
    parser.add_argument("--deployments", type=int, default=3)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--prompt-words", type=int, default=48)
    parser.add_argument("--max-tokens", type=int, default=32)
    parser.add_argument("--context-tokens", type=int, default=4096)
    parser.add_argument("--bake-s", type=float, default=1.0)
    parser.add_argument("--quiet-s", type=float, default=30.0, help="traffic alone, before and after each deployment")
    parser.add_argument("--label", default="", help="shown with the figures")
    parser.add_argument("--json", type=Path, help="append the figures to this file, a line each run")
    return parser.parse_args()


async def measure(service: Service, options: argparse.Namespace) -> tuple[list[Deployed], list[Sample], str]:
    """The deployments, the requests, and what failed, in words."""
    words = WORDS.split()
    prompts = [" ".join(words[(at + n) % len(words)] for n in range(options.prompt_words)) for at in range(len(words))]
    traffic = Traffic(
        service.url, options.clients, think_s=0.05, timeout_s=120.0, prompts=prompts, max_tokens=options.max_tokens
    )
    deployed = []
    async with traffic:
        for _ in range(options.deployments):
            await asyncio.sleep(options.quiet_s)
            deployed.append(await asyncio.to_thread(deploy, service))
        await asyncio.sleep(options.quiet_s)
    report = traffic.report()
    failures = "; ".join(failure.reason for failure in report.failures)
    return deployed, list(traffic.samples()), f"{report.failed} of {report.sent} failed {failures}"


def deploy(service: Service) -> Deployed:
    began = time.monotonic()
    *_, finished = service.client.deploy(DeployRequest())
    ended = time.monotonic()
    assert isinstance(finished, Finished)
    return Deployed(began, ended, finished)


def apart(samples: Iterable[Sample], deployed: Sequence[Deployed]) -> tuple[list[Sample], list[Sample]]:
    """Those that no deployment touches, and those that one does."""
    quiet: list[Sample] = []
    during: list[Sample] = []
    for sample in samples:
        touched = any(sample.began < one.ended and sample.ended > one.began for one in deployed)
        (during if touched else quiet).append(sample)
    return quiet, during


def latency(samples: Sequence[Sample]) -> Latency:
    ordered = sorted(sample.seconds for sample in samples) or [0.0]
    return Latency(len(samples), ordered[len(ordered) // 2], ordered[int(0.95 * (len(ordered) - 1))])


def phases(deployed: Sequence[Deployed], samples: Sequence[Sample]) -> dict[str, Latency]:
    first, last = deployed[0].began, deployed[-1].ended
    quiet, during = apart(samples, deployed)
    return {
        "before": latency([sample for sample in quiet if sample.ended < first]),
        "between": latency([sample for sample in quiet if first < sample.began and sample.ended < last]),
        "until the switch": latency([sample for sample in during if any(_before_switch(sample, o) for o in deployed)]),
        "during": latency(during),
        "after": latency([sample for sample in quiet if sample.began > last]),
        "apart from deployments": latency(quiet),
    }


def _before_switch(sample: Sample, one: Deployed) -> bool:
    """The old colour answered it while the standby came up."""
    return one.began < sample.ended <= one.began + to_switch(one)


def show(options: argparse.Namespace, deployed: list[Deployed], samples: list[Sample], failed: str) -> None:
    console, load = Console(width=120), os.getloadavg()
    title = f"{options.label or Path(options.model).name}, {options.clients} clients, load {load[0]:.1f}"
    table = Table("requests", "n", "p50 s", "p95 s", title=title)
    found = phases(deployed, samples)
    for name, its in found.items():
        table.add_row(name, str(its.requests), f"{its.p50_s:.2f}", f"{its.p95_s:.2f}")
    console.print(table)
    steps = Table("step", *(f"#{at + 1} s" for at in range(len(deployed))))
    for name in [step.name for step in deployed[0].finished.steps]:
        steps.add_row(name, *(seconds_of(one, name) for one in deployed))
    steps.add_row("to the switch", *(f"{to_switch(one):.2f}" for one in deployed))
    steps.add_row("whole", *(f"{one.ended - one.began:.2f} {one.finished.outcome}" for one in deployed))
    console.print(steps)
    ratio = found["during"].p95_s / (found["apart from deployments"].p95_s or 1)
    console.print(f"p95 during / apart: {ratio:.2f}; {failed}")
    if options.json:
        whole = [round(one.ended - one.began, 3) for one in deployed]
        told = {"label": options.label, "ratio": round(ratio, 3), "failed": failed, "whole_s": whole}
        told |= {"switch_s": [round(to_switch(one), 3) for one in deployed]}
        told |= {name: [its.requests, round(its.p50_s, 3), round(its.p95_s, 3)] for name, its in found.items()}
        with options.json.open("a") as file:
            file.write(json.dumps(told) + "\n")


def seconds_of(one: Deployed, name: str) -> str:
    step = next(step for step in one.finished.steps if step.name == name)
    return step.state if step.seconds is None else f"{step.seconds:.2f}"


def to_switch(one: Deployed) -> float:
    """Until the edge was verified to route to the new colour: steps 1 to 10."""
    return sum(step.seconds or 0.0 for step in one.finished.steps if step.number <= 10)


if __name__ == "__main__":
    sys.exit(main())
