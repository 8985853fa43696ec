"""`make demo`: a real model served, deployed over and rolled back under traffic, in a place of its own.

Nothing here is staged: it runs the commands a user would run, against a service with its own state folder and ports,
and ends with what its clients saw. Exit code 0 only if not one request failed.
"""

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import tomli_w
from disposable.ports import free_ports
from loadtest.traffic import Report, Traffic
from rich.console import Console
from rich.table import Table

from supervisor.client import ControlClient
from supervisor.errors import SupervisorError
from supervisor.paths import StatePaths
from supervisor.protocol import DeploymentStatus, Outcome

CLIENTS = 8
STREAM_SHARE = 0.5
THINK_S = 0.05
START_TIMEOUT_S = 60.0
BAKE_S = 3.0
USER = "ada"
MODELSVC = (sys.executable, "-m", "modelsvc")

console = Console(highlight=False)


class DemoFailed(Exception):
    """Something the demo shows did not hold; the message says what."""


@dataclass(frozen=True)
class Place:
    """Where this run's service lives: a short path, for Unix sockets, and ports nobody uses."""

    home: Path
    edge: int
    blue: int
    green: int
    metrics: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.edge}"

    @property
    def config(self) -> Path:
        return self.home / "modelsvc.toml"

    def write_config(self) -> None:
        values = {
            "edge": {"listen": f"127.0.0.1:{self.edge}"},
            "workers": {"blue_port": self.blue, "green_port": self.green},
            "control": {"metrics_listen": f"127.0.0.1:{self.metrics}"},
            "deploy": {"bake_s": BAKE_S},
        }
        self.config.write_text(tomli_w.dumps(values))

    def environment(self) -> dict[str, str]:
        return {**os.environ, "MODELSVC_HOME": str(self.home), "MODELSVC_CONFIG": str(self.config)}

    def client(self) -> ControlClient:
        return ControlClient(StatePaths(self.home).control_socket)


def main() -> int:
    place = Place(Path(tempfile.mkdtemp(prefix="modelsvc-demo-")), *free_ports(4))
    try:
        report, deployments, colors = asyncio.run(perform(place))
    except (DemoFailed, SupervisorError, httpx.HTTPError) as error:
        console.print(f"[red]demo failed:[/] {error}\nlogs and state are kept in {place.home}")
        return 1
    show(report, deployments, colors)
    if report.failed:
        console.print(f"[red]{report.failed} request(s) failed[/]; logs and state are kept in {place.home}")
        return 1
    shutil.rmtree(place.home)
    return 0


async def perform(place: Place) -> tuple[Report, list[DeploymentStatus], list[str]]:
    """The whole play: what the clients saw, the deployments, and the colours that answered ada."""
    place.write_config()
    with ExitStack() as stack:
        await start(place, stack)
        colors = [await say(place, "My name is Ada.", "Ada")]
        traffic = Traffic(place.url, clients=CLIENTS, stream_share=STREAM_SHARE, think_s=THINK_S)
        await traffic.start()
        console.print(f"\n{CLIENTS} keep-alive clients ask one request after the other, half of them for streams.\n")
        try:
            await run(place, "ctl", "deploy")
            colors.append(await say(place, "What is my name?", "Ada"))
            await run(place, "ctl", "rollback")
            colors.append(await say(place, "What is my name?", "Ada"))
        finally:
            report = await traffic.stop()
        deployments = place.client().history()
        await run(place, "ctl", "shutdown")
    check(deployments, colors)
    return report, deployments, colors


async def start(place: Place, stack: ExitStack) -> None:
    """`modelsvc up`, until the first worker serves; ended with the stack, whatever happens."""
    console.print(f"[bold]$ modelsvc up[/]  (state in {place.home}, free ports)")
    up = launch(place, stack)
    deadline = time.monotonic() + START_TIMEOUT_S
    while not serving(place):
        if up.poll() is not None or time.monotonic() > deadline:
            raise DemoFailed(f"the service did not start: {(place.home / 'up.log').read_text().strip()}")
        await asyncio.sleep(0.1)
    await run(place, "ctl", "status")


def launch(place: Place, stack: ExitStack) -> "subprocess.Popen[bytes]":
    log = stack.enter_context((place.home / "up.log").open("wb"))
    up = subprocess.Popen([*MODELSVC, "up"], env=place.environment(), stdout=log, stderr=log)
    stack.callback(end, up)
    return up


def serving(place: Place) -> bool:
    """Whether the first deployment is over and a colour is active."""
    try:
        status = place.client().status()
    except SupervisorError:
        return False
    return status.active is not None and status.deployment is None


def end(up: "subprocess.Popen[bytes]") -> None:
    """A service that was shut down has ended; any other is told to."""
    try:
        up.wait(10)
    except subprocess.TimeoutExpired:
        up.terminate()
        up.wait(60)


async def run(place: Place, *arguments: str) -> None:
    """One command as a user types it, its output where ours goes."""
    console.print(f"[bold]$ modelsvc {' '.join(arguments)}[/]")
    process = await asyncio.create_subprocess_exec(*MODELSVC, *arguments, env=place.environment())
    if code := await process.wait():
        raise DemoFailed(f"modelsvc {' '.join(arguments)} exited with {code}")


async def say(place: Place, message: str, expected: str) -> str:
    """One turn of ada's conversation; the colour that answered."""
    async with httpx.AsyncClient(timeout=60, trust_env=False) as client:
        response = await client.post(f"{place.url}/chat/{USER}", json={"message": message, "temperature": 0.0})
    answer = response.raise_for_status().json()
    console.print(
        f"{USER}: {message}  →  [bold]{answer['response']}[/]  ({answer['color']}, release {answer['release']})"
    )
    if expected not in answer["response"]:
        raise DemoFailed(f"expected {expected!r} in the answer to {message!r}, got {answer['response']!r}")
    return str(answer["color"])


def check(deployments: list[DeploymentStatus], colors: list[str]) -> None:
    """Each deployment succeeded, and ada was answered by the colours it should have been."""
    if any(deployment.outcome is not Outcome.SUCCEEDED for deployment in deployments):
        raise DemoFailed(f"not every deployment succeeded: {[str(deployment.outcome) for deployment in deployments]}")
    if colors != ["blue", "green", "blue"]:
        raise DemoFailed(f"ada should have been answered by blue, green, blue; it was {', '.join(colors)}")


def show(report: Report, deployments: list[DeploymentStatus], colors: list[str]) -> None:
    """The short table at the end."""
    table = Table(show_header=False, title="what the clients saw", title_justify="left")
    by_color = ", ".join(f"{color} {count:,}" for color, count in sorted(report.by_color.items()))
    seconds = ", ".join(f"{item.kind} {item.seconds:.1f} s" for item in reversed(deployments) if item.from_color)
    for name, value in (
        ("requests sent", f"{report.sent:,} ({report.streams:,} of them streams)"),
        ("failed", f"{report.failed:,}"),
        ("slowest", f"{report.slowest_s:.2f} s"),
        ("deployment seconds", f"{seconds} (of which the bake {BAKE_S:.0f} s)"),
        ("answered by", by_color),
        ("ada answered by", " → ".join(colors)),
    ):
        table.add_row(name, value)
    console.print()
    console.print(table)
    for reason in report.failures[:10]:
        console.print(f"[red]failed:[/] {reason}")


if __name__ == "__main__":
    sys.exit(main())
