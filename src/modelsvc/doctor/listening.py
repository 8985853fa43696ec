"""The five ports: free, ours already, or in somebody's way."""

import errno
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import psutil

from modelsvc.doctor.findings import Finding, found
from modelsvc.doctor.situation import Situation
from modelsvc.service import look
from supervisor import ports
from supervisor.config import Config
from supervisor.own_processes import other_service, role, supervisor_pid
from supervisor.paths import StatePaths
from supervisor.protocol import HOME_ENV

# They hold the edge's socket for us where a socket unit is installed.
SERVICE_MANAGERS = ("systemd", "launchd")


@dataclass(frozen=True, slots=True)
class Door:
    """One port with the setting it is from. Without an `optional` one the service starts all the same."""

    setting: str
    listen: str
    optional: bool = False

    @property
    def address(self) -> ports.Address:
        return ports.resolve(self.listen)


def doors(config: Config) -> tuple[Door, ...]:
    """Everything the service listens on by TCP."""
    return (
        Door("edge.listen", config.edge.listen),
        Door("workers.blue_port", f"127.0.0.1:{config.workers.blue_port}"),
        Door("workers.green_port", f"127.0.0.1:{config.workers.green_port}"),
        Door("control.metrics_listen", config.control.metrics_listen, optional=True),
        Door("monitor.listen", config.monitor.listen, optional=True),
    )


def check(situation: Situation) -> Iterator[Finding]:
    """One finding a port. Each is bound and let go again, as long as nobody has it."""
    tried = [(door, ports.obstacle(door.address)) for door in doors(situation.config)]
    holders = ports.listeners(door.address for door, obstacle in tried if _is_taken(obstacle))
    for door, obstacle in tried:
        if obstacle is None:
            yield found("port_free", f"{door.setting}: {door.address} is free")
        elif _is_taken(obstacle):
            yield judge(door, holders[door.address], situation)
        else:
            seen = f"{door.setting}: cannot listen on {door.address}: {obstacle.strerror}"
            yield found("port_unusable", seen, _unusable(door, obstacle))


def _is_taken(obstacle: OSError | None) -> bool:
    return obstacle is not None and obstacle.errno == errno.EADDRINUSE


def judge(door: Door, holders: list[psutil.Process], situation: Situation) -> Finding:
    """What it means that these listen there."""
    who = ", ".join(f"{ports.name_of(each)} (pid {each.pid})" for each in holders)
    if holders and all(role(each, situation.paths) for each in holders):
        return found("port_ours", f"{door.setting}: {door.address} is held by this service: {who}")
    if holders and all(_keeps_sockets(each, situation) for each in holders):
        return found("port_inherited", f"{door.setting}: {door.address} is held for this service by {who}")
    code = "port_taken_optional" if door.optional else "port_taken"
    taken = f"{door.setting}: {door.address} is taken by {who or NOBODY_SEEN}"
    if other := _other_service(holders):
        return found(code, f"{taken}, of the modelsvc whose state is in {other.root}", _other_way_out(door, other))
    return found(code, taken, _way_out(door, holders))


NOBODY_SEEN = "a process of another user, or a connection that has this port at its own end"


def _keeps_sockets(process: psutil.Process, situation: Situation) -> bool:
    if role(process, situation.paths):
        return True
    return ports.name_of(process) in SERVICE_MANAGERS and look(situation.config_path).installed


def _other_service(holders: list[psutil.Process]) -> StatePaths | None:
    """Whose they all are, with a supervisor that can be asked to end them."""
    services = [other_service(each) for each in holders]
    first = services[0] if services else None
    return first if first and supervisor_pid(first) and all(each == first for each in services) else None


def _other_way_out(door: Door, other: StatePaths) -> str:
    shutdown = f"{HOME_ENV}={shlex.quote(str(other.root))} modelsvc ctl shutdown"
    return f"set {door.setting} to another port, or end that service (`{shutdown}`)"


def _way_out(door: Door, holders: list[psutil.Process]) -> str:
    port = door.listen.rpartition(":")[2]
    tell = f"lsof -nP -iTCP:{port}" if sys.platform == "darwin" else f"ss -tanp 'sport = :{port}'"
    stop = " ".join(["kill", *(str(each.pid) for each in holders)]) if holders else f"sudo {tell}"
    return f"end it (`{stop}`), or set {door.setting} to another port"


def _unusable(door: Door, obstacle: OSError) -> str:
    if obstacle.errno in (errno.EACCES, errno.EPERM):
        return f"set {door.setting} to a port from 1024 on: lower ones are root's"
    return f"set {door.setting} to an address of this machine, such as 127.0.0.1:8080"
