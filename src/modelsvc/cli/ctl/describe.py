"""Replies of the daemon as lines for people. Pure: values in, text out."""

from collections.abc import Sequence
from pathlib import PurePath

from modelsvc.cli.text import columns, duration, headline, mb
from supervisor.protocol import (
    SILENT,
    Color,
    DeploymentKind,
    DeploymentStatus,
    EdgeStatus,
    MonitorStatus,
    Outlook,
    Status,
    StepReport,
    StepState,
    WatchStatus,
    WorkerStatus,
)
from supervisor.protocol.happenings import WatchDecided

STEPS = 13
READY = "ready"
FAILED = "failed"
OVER = (StepState.DONE, StepState.SKIPPED, StepState.FAILED, StepState.UNDONE)


def status_lines(status: Status) -> list[str]:
    facts = [
        ["active", _active(status)],
        *([str(color), *_worker(worker)] for color, worker in sorted(status.workers.items())),
        ["edge", *_edge(status.edge)],
        ["requests", _requests(status.edge)],
        *([["prewarmed", _prewarmed(status)]] if status.prewarmed or status.prewarm_lost else []),
        ["memory", _memory(status)],
        *([["monitor", _monitor(status.monitor)]] if status.monitor else []),
        *([["watch", watch_line(status.watch)]] if status.watch else []),
        ["deploying", under_way(status.deployment) if status.deployment else "nothing"],
    ]
    daemon = f"pid {status.pid}, up {duration(status.uptime_s)}, state in {status.state_dir}"
    return [f"modelsvc {status.version}, {daemon}", *columns(facts)]


def not_serving(status: Status) -> str:
    """Why no colour serves; empty when one does."""
    if status.active is None and status.outlook is Outlook.GONE:
        why = "`modelsvc ctl explain` tells why the latest deployment failed, `modelsvc ctl deploy` tries it again"
        return f"no colour is active, and none will be by itself: {why}"
    if status.active is None:
        return "no colour is active: `modelsvc ctl status` tells what is under way"
    if why := _idle(status.workers.get(status.active)):
        return f"{status.active} is active{why}: see `modelsvc ctl logs {status.active}`"
    if status.edge.paused:
        return f"{status.active} is active, but requests are held: `modelsvc ctl resume` lets them pass"
    if status.edge.routes_to is not status.active:
        return f"{status.active} is active, but the edge routes to {status.edge.routes_to or 'nobody'}"
    return ""


def prewarm_lines(status: Status) -> list[str]:
    """What is prewarmed, or on its way there."""
    running = status.deployment
    if running and running.kind is DeploymentKind.PREWARM:
        return [f"prewarming: {under_way(running)}"]
    if status.prewarmed is None:
        return [f"nothing is prewarmed: {status.prewarm_lost}" if status.prewarm_lost else "nothing is prewarmed"]
    return [f"release {status.prewarmed} is prewarmed: `modelsvc ctl deploy` switches to it"]


def route(source: Color | None, target: Color) -> str:
    return f"{source} -> {target}" if source else str(target)


def step_line(step: StepReport) -> str:
    took = "" if step.seconds is None else duration(step.seconds)
    return f"{step.number:>2}/{STEPS}  {step.state:<7}  {step.title:<44}  {took:>8}  {headline(step.detail)}".rstrip()


def history_lines(deployments: Sequence[DeploymentStatus]) -> list[str]:
    if not deployments:
        return ["no deployment yet"]
    return columns(
        [["id", "kind", "colours", "release", "outcome", "failed", "took", "started"], *map(_past, deployments)]
    )


def deployment_lines(deployment: DeploymentStatus) -> list[str]:
    return [
        f"deployment {deployment.deployment}: {deployment.kind} {route(deployment.from_color, deployment.to_color)}",
        *columns(
            [
                ["release", _or_dash(deployment.release)],
                ["outcome", deployment.outcome or "running"],
                *([["reason", deployment.reason]] if deployment.reason else []),
                *([["asked by", f"watch: {deployment.because}"]] if deployment.because else []),
                ["started", deployment.started_at],
                ["finished", _or_dash(deployment.finished_at)],
                ["took", _took(deployment)],
            ]
        ),
        *map(step_line, deployment.steps),
    ]


def failed_requests(deployment: DeploymentStatus) -> int | None:
    """Of clients, during the deployment: by the edge, which sees all of them, else by the workers; None if unknown."""
    step = next((step for step in deployment.steps if step.name == "record"), None)
    counts = [step.evidence.get(who) or {} for who in ("edge", "requests")] if step else []
    return next((count["failed"] for count in counts if count.get("failed") is not None), None)


def _active(status: Status) -> str:
    if status.active is None:
        return (
            "none, and nothing is tried by itself: see `modelsvc ctl explain`"
            if status.outlook is Outlook.GONE
            else "none"
        )
    release = status.release
    served = f", release {release.number}, {_model(release.model_path)}" if release else ""
    return f"{status.active}{_idle(status.workers.get(status.active))}{served}"


def _prewarmed(status: Status) -> str:
    return f"release {status.prewarmed}" if status.prewarmed else f"nothing: {status.prewarm_lost}"


def _idle(worker: WorkerStatus | None) -> str:
    """Why the active colour's worker serves nobody; empty when it does."""
    if worker is None:
        return " (not serving: absent)"
    if worker.state != READY:
        return f" (not serving: {worker.state})"
    return f" (not serving: {SILENT})" if worker.progress == SILENT else ""


def _model(path: str) -> str:
    return PurePath(path).name or "the built-in demo model"


def _worker(worker: WorkerStatus) -> list[str]:
    facts = [
        (_progress(worker), "{}"),
        (worker.pid, "pid {}"),
        (worker.release, "release {}"),
        (worker.in_flight, "{} in flight"),
        (worker.rss_bytes and mb(worker.rss_bytes), "RSS {}"),
        (worker.private_bytes and mb(worker.private_bytes), "private {}"),
        (worker.restarts or None, "{} restarts"),
        (_last_exit(worker), "{}"),
    ]
    known = [form.format(value) for value, form in facts if value is not None]
    return [worker.state, f":{worker.port}", ", ".join(known)]


def _progress(worker: WorkerStatus) -> str | None:
    """What a worker is at. Once ready it is at nothing, unless it fell silent."""
    return worker.progress if worker.state != READY or worker.progress == SILENT else None


def _last_exit(worker: WorkerStatus) -> str | None:
    last = worker.last_exit
    if last is None or worker.state == READY:
        return None
    by = last.signal or ("" if last.code is None else f"exit {last.code}")  # of an adopted worker nobody can tell
    how = f"last ended {last.at}" + (f" by {by}" if by else "")
    return f"{how} ({last.reason})" if worker.state == FAILED and last.reason else how


def _edge(edge: EdgeStatus) -> list[str]:
    where = f"routes to {edge.routes_to}" if edge.routes_to else "routes nowhere"
    nginx = f"nginx {edge.nginx_version}" + (f" pid {edge.pid}" if edge.pid else "")
    return [edge.state, edge.listen, f"{where}, {nginx}, {edge.swap}"]


def _requests(edge: EdgeStatus) -> str:
    """Whether they pass, and how many wait."""
    state = "held until `modelsvc ctl resume`" if edge.paused else "pass"
    waiting = f", {edge.waiting} waiting" if edge.waiting or edge.paused else ""
    replayed = f", {edge.replayed} replayed so far" if edge.replayed else ""
    return f"{state}{waiting}{replayed}"


def _memory(status: Status) -> str:
    memory = status.memory
    return f"{mb(memory.used_bytes)} of {mb(memory.budget_bytes)} used, {mb(memory.shared_bytes)} of it shared"


def _monitor(monitor: MonitorStatus) -> str:
    reason = f" ({headline(monitor.reason)})" if monitor.reason else ""
    return f"Prometheus {monitor.state}{reason}, {monitor.url}"


def watch_line(watch: WatchStatus | WatchDecided) -> str:
    """What the watch on files made of them."""
    changes, reason = "; ".join(watch.changes), " ".join(watch.reason.split())
    restart = watch.needs_restart if isinstance(watch, WatchStatus) else []
    again = f"; next look {watch.retry_at}" if isinstance(watch, WatchStatus) and watch.retry_at else ""
    later = f"{again}; after a restart: {', '.join(restart)}" if restart else again
    match watch.verdict:
        case "":
            return "has not looked yet"
        case "in_accord":
            return f"what serves is what the files say{later}"
        case "asks" | "deploys":
            return f"deploys {changes}{later}"
        case "rejected":
            return f"nothing is changed, for {reason}{later}"
        case _:
            return f"does not deploy {changes}: {reason}{later}"


def under_way(deployment: DeploymentStatus, *, details: bool = True) -> str:
    """Which deployment runs, and at which step; `details` change within one."""
    what = f"deployment {deployment.deployment}, {route(deployment.from_color, deployment.to_color)}"
    step = next((step for step in deployment.steps if step.state is StepState.RUNNING), None)
    if step is None:
        return what
    detail = f" ({step.detail})" if step.detail and details else ""
    return f"{what}: step {step.number}/{STEPS}, {step.title}{detail}"


def _past(deployment: DeploymentStatus) -> list[str]:
    return [
        str(deployment.deployment),
        deployment.kind,
        route(deployment.from_color, deployment.to_color),
        _or_dash(deployment.release),
        deployment.outcome or "running",
        _or_dash(failed_requests(deployment)),
        _took(deployment),
        "  ".join([deployment.started_at, *_notes(deployment)]),
    ]


def _notes(deployment: DeploymentStatus) -> list[str]:
    asked = f"asked by watch: {deployment.because}" if deployment.because else ""
    told = "; ".join(filter(None, (asked, deployment.reason)))
    return [headline(told)] if told else []


def _took(deployment: DeploymentStatus) -> str:
    return "-" if deployment.seconds is None else duration(deployment.seconds)


def _or_dash(value: object) -> str:
    return "-" if value is None else str(value)
