"""The daemon: whether it answers, and what it says is wrong."""

from collections.abc import Iterator
from pathlib import Path

from modelsvc import __version__
from modelsvc.doctor.findings import Finding, found
from modelsvc.doctor.situation import Situation
from supervisor.client import ControlClient
from supervisor.client.exchange import TimedOut, Unreachable
from supervisor.errors import ConfigError, SupervisorError
from supervisor.own_processes import left_behind, supervisor_pid
from supervisor.protocol import SILENT, Color, DeploymentStatus, Outcome, Status, WorkerStatus

TIMEOUT_S = 5.0
LEFT_SHOWN = 5


def check(situation: Situation) -> Iterator[Finding]:
    """Ask it, for `TIMEOUT_S` at most."""
    try:
        client = ControlClient(situation.control_socket, TIMEOUT_S)
        status = client.status()
        latest = client.history(limit=1)
    except ConfigError:
        return  # the socket's path is too long: the state folder's check tells of it
    except Unreachable as error:
        yield _unreachable(situation, error)
    except TimedOut:
        yield _silent(situation)
    except SupervisorError as error:
        mend = "start it again: `modelsvc ctl shutdown`, then `modelsvc up`"
        yield found("daemon_unusable", f"the daemon behind {situation.control_socket} answers: {error.message}", mend)
    else:
        yield from judge(status, latest[0] if latest else None, situation.config_path)


def judge(status: Status, latest: DeploymentStatus | None, config: Path | None) -> Iterator[Finding]:
    """What the daemon knows to be wrong; that it answers, first."""
    serving = f"{status.active} serves" if status.active else "nobody serves"
    yield found("daemon_ok", f"modelsvc {status.version} answers, pid {status.pid}, {serving}")
    yield from _installation(status, config)
    yield from _workers(status)
    yield from _requests(status)
    if latest and latest.outcome in (Outcome.FAILED, Outcome.ROLLED_BACK):
        yield found(
            "last_deployment_failed",
            f"deployment {latest.deployment}, the latest, ended as {latest.outcome}: {latest.reason}",
            f"`modelsvc ctl explain {latest.deployment}` has its evidence",
        )


def _installation(status: Status, config: Path | None) -> Iterator[Finding]:
    if status.version != __version__:
        yield found(
            "daemon_other_version",
            f"the daemon is modelsvc {status.version}, and {__version__} is installed",
            "`modelsvc service restart`; workers and nginx go on meanwhile",
        )
    used = Path(status.config) if status.config else None
    if used != config:
        yield found(
            "daemon_other_config",
            f"the daemon was started with {used or 'no configuration file'}, and this looked at {config or 'none'}",
            f"look again with `--config {used}`" if used else "start the daemon with --config",
        )


def _workers(status: Status) -> Iterator[Finding]:
    for color, worker in sorted(status.workers.items()):
        if worker.state == "failed":
            yield _given_up(color, worker)
        elif worker.progress == SILENT:
            seen = f"{color} (pid {worker.pid}) does not answer"
            yield found(
                "worker_silent", seen, "wait: the watchdog ends it after three looks; `modelsvc ctl logs " + color + "`"
            )
    if status.active is None and status.deployment is None:
        yield found("nobody_serves", "no colour is active", "`modelsvc ctl start blue`, or `modelsvc ctl deploy`")


def _given_up(color: Color, worker: WorkerStatus) -> Finding:
    last = worker.last_exit
    how = f"; it last ended by {last.signal or f'exit code {last.code}'} {last.reason}".rstrip() if last else ""
    return found(
        "worker_given_up",
        f"{color} was given up after crashes{how}",
        f"`modelsvc ctl logs {color}` tells why; then `modelsvc ctl start {color}`, or `modelsvc ctl rollback`",
    )


def _requests(status: Status) -> Iterator[Finding]:
    edge = status.edge
    if edge.pid is None:
        mend = "the supervisor starts it again by itself: `modelsvc ctl logs edge` tells why that fails"
        yield found("edge_absent", f"nginx does not run, so {edge.listen} answers nobody", mend)
    if edge.paused:
        yield found("requests_paused", f"requests are held, {edge.waiting} waiting", "`modelsvc ctl resume`")
    elif edge.waiting:
        seen = f"{edge.waiting} request(s) wait for a worker"
        yield found("requests_waiting", seen, "`modelsvc ctl status` tells what is being started or deployed")


def _silent(situation: Situation) -> Finding:
    pid = supervisor_pid(situation.paths)
    end = f"`kill -CONT {pid}` if it was stopped, else `kill -9 {pid}`" if pid else "end it"
    return found(
        "daemon_silent",
        f"the daemon{f', pid {pid},' if pid else ''} did not answer within {TIMEOUT_S:g} s",
        f"{end}, and `modelsvc up` takes its workers and nginx over; they go on serving",
    )


def _unreachable(situation: Situation, error: Unreachable) -> Finding:
    if pid := supervisor_pid(situation.paths):
        seen = f"the supervisor, pid {pid}, runs, but {error.message}"
        return found("daemon_unusable", seen, "if it has just begun, wait; else name its socket by control.socket")
    if left := left_behind(situation.paths):
        more = f" and {len(left) - LEFT_SHOWN} more" if len(left) > LEFT_SHOWN else ""
        seen = f"the daemon does not run, but its processes do: {', '.join(left[:LEFT_SHOWN])}{more}"
        return found("daemon_lost", seen, "`modelsvc up` takes them over; `modelsvc service start` if it is installed")
    return found("daemon_absent", f"the daemon does not run ({situation.control_socket}); `modelsvc up` starts it")
