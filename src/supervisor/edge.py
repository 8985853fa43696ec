"""The edge: one private nginx in front of the workers, and the listening socket it serves on.

The supervisor binds the socket and hands it down, so that clients wait in its queue, and are not refused, while nginx
is down. nginx outlives the supervisor: the next one adopts it by pid and start time. It then has no socket of its own,
for the address cannot be bound twice; should the adopted nginx end, `start` binds it anew.
"""

import grp
import os
import pwd
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from signal import SIGKILL, SIGQUIT

from supervisor import ports
from supervisor.core.state import Color
from supervisor.errors import EdgeError
from supervisor.files import publish, read_text
from supervisor.nginx import command
from supervisor.nginx.config import EdgeLimits, EdgeSettings, NginxBuild, render, render_upstream, routed_color
from supervisor.nginx.instance import STATUS_SOCKET, Instance
from supervisor.nginx.master import Master, group_members, signal_group
from supervisor.nginx.reload import MARKERS, ReloadStrategy, remove_markers, strategy_for
from supervisor.nginx.status import answers
from supervisor.paths import check_socket_path
from supervisor.patience import eventually

START_TIMEOUT_S = 10.0
RELEASE_TIMEOUT_S = 2.0
CONFIG, UPSTREAM, TEMP = "nginx.conf", "upstream.conf", "temp"


@dataclass(frozen=True, slots=True)
class EdgeOptions:
    """Where the edge lives, what it listens on, and the worker port of each colour."""

    folder: Path
    ports: Mapping[Color, int]
    listen: str = "127.0.0.1:8080"
    nginx: str = "nginx"
    limits: EdgeLimits = field(default_factory=EdgeLimits)


@dataclass(frozen=True, slots=True)
class EdgeReport:
    """What the edge is doing."""

    running: bool
    listen: str
    pid: int | None
    nginx_version: str
    swap: str
    routes_to: Color | None


@dataclass(frozen=True, slots=True)
class NginxIdentity:
    """What a later supervisor needs to adopt this nginx."""

    pid: int
    started_at: float


class Edge:
    """Starts, reroutes, reloads, watches and stops the private nginx.

    Making one lays the folder out and starts nothing. `open` looks at the installed nginx first.
    """

    def __init__(self, options: EdgeOptions, build: NginxBuild) -> None:
        self.options = options
        self.build = build
        self.address = ports.resolve(options.listen)
        self.strategy: ReloadStrategy = strategy_for(build)
        self._listener: socket.socket | None = None
        self._master: Master | None = None
        self._orphaned: set[int] = set()  # process groups whose master was killed
        self._lay_out()

    @classmethod
    async def open(cls, options: EdgeOptions) -> "Edge":
        """Raises EdgeError when nginx is missing."""
        found = replace(options, nginx=command.locate(options.nginx))
        return cls(found, await command.inspect(found.nginx))

    # --- its life -----------------------------------------------------------------------------------------------------

    def bind(self) -> None:
        """Bind the listening socket, unless it is held already: by us, by nginx, or by workers of a killed nginx,
        from which `start` will take it over. Raises PortTaken."""
        if self._running() is None and not any(map(group_members, self._orphaned)):
            self._bind()

    def take(self, listener: socket.socket) -> None:
        """Listen on this socket, which launchd or systemd may have bound."""
        # nginx does not look after the mode of an inherited socket: in a blocking one, two workers that wake for one
        # client would leave the slower of them stuck in accept() with all its connections.
        listener.setblocking(False)
        self._listener = listener

    async def start(self) -> NginxIdentity:
        """Start nginx and wait until it answers; an nginx that runs is left as it is. Raises EdgeError, PortTaken."""
        if self._running() is None:
            await self._launch()
        return self.identity()

    def adopt(self, pid: int, started_at: float) -> bool:
        """Take over the nginx of an earlier supervisor; False when it has ended, its workers then drain."""
        self._master = Master.found(pid, started_at)
        if self._master is None:
            self._orphaned.add(pid)
        return self._master is not None

    def identity(self) -> NginxIdentity:
        """Raises EdgeError when nginx does not run."""
        master = self._instance().master
        return NginxIdentity(master.pid, master.started_at)

    async def wait(self) -> int | None:
        """Wait until nginx ends; its exit code, or None when it was adopted or never ran."""
        return await self._master.wait() if self._master else None

    async def stop(self, timeout_s: float) -> None:
        """Let nginx finish what runs, for `timeout_s` at most; it is gone on return. The socket stays bound."""
        for group in self._orphaned:
            signal_group(group, SIGQUIT)
        if self._master is not None:
            await self._master.stop(timeout_s)
        await self._end_orphans()

    def close(self) -> None:
        """Give up the listening socket; a running nginx keeps it."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    # --- its route ----------------------------------------------------------------------------------------------------

    def read_route(self) -> Color | None:
        """The colour the include file names."""
        return routed_color(read_text(self._path(UPSTREAM)))

    def write_route(self, color: Color | None) -> None:
        """Publish the include file for `color`, or for nobody. In force after a reload. Raises StorageError."""
        publish(self._path(UPSTREAM), render_upstream(color, self.options.ports[color] if color else 0))

    async def test_config(self) -> None:
        """`nginx -t`. Raises EdgeError with nginx's own words."""
        await command.check_config(self.options.nginx, self.build, self.options.folder, self._listener)

    async def reload(self) -> frozenset[int]:
        """Put the route in force, losing no request; the pids of the nginx workers that leave. Raises EdgeError."""
        return await self.strategy.reload(self._instance())

    def workers(self) -> frozenset[int]:
        """nginx workers that accept connections."""
        return self._master.workers() if self._master else frozenset()

    def old_workers(self) -> frozenset[int]:
        """nginx workers that still serve the route of before: left by a reload, or by a killed master."""
        leaving = self._master.leaving_workers() if self._master else frozenset()
        return leaving.union(*map(group_members, self._orphaned))

    # --- what it is doing ---------------------------------------------------------------------------------------------

    def report(self) -> EdgeReport:
        nginx = self._running()
        return EdgeReport(
            running=nginx is not None,
            listen=str(self.address),
            pid=nginx.master.pid if nginx else None,
            nginx_version=str(self.build),
            swap=self.build.swap,
            routes_to=self.read_route(),
        )

    # --- how ----------------------------------------------------------------------------------------------------------

    async def _launch(self) -> None:
        await self._retire_orphans()
        await self._take_address_over()
        self._clear_leftovers()
        assert self._listener is not None
        child = command.start(self.options.nginx, self.build, self.options.folder, self._listener)
        self._master = Master.born(child)
        try:
            await self._ready()
        except BaseException:
            await self._master.stop(0)
            raise

    async def _ready(self) -> None:
        async def decided() -> bool:
            return self._running() is None or await answers(self._path(STATUS_SOCKET))

        if not await eventually(decided, START_TIMEOUT_S):
            raise EdgeError(f"nginx does not answer {START_TIMEOUT_S:.0f} s after its start")
        if self._running() is None:
            said = read_text(self._path(command.START_LOG))
            raise EdgeError(f"nginx did not start: {command.complaint(said) or said.strip()}", code="config_rejected")

    async def _retire_orphans(self) -> None:
        """Workers of a killed master hold the address until they are told to finish; their answers go on."""
        if self._master is not None:
            self._orphaned.add(self._master.pid)
            self._master = None
        for group in self._orphaned:
            signal_group(group, SIGQUIT)

    async def _take_address_over(self) -> None:
        """Bind the socket; an orphan gives the address up a moment after it is told to finish."""

        async def given_up() -> bool:
            return self._listener is not None or not self._orphaned or ports.is_free(self.address)

        await eventually(given_up, RELEASE_TIMEOUT_S)
        self._bind()

    def _bind(self) -> None:
        if self._listener is None:
            self.take(ports.bind(self.address))

    async def _end_orphans(self) -> None:
        for group in self._orphaned:
            signal_group(group, SIGKILL)
        self._orphaned.clear()

    def _lay_out(self) -> None:
        folder = self.options.folder
        check_socket_path(self._path(STATUS_SOCKET))
        for path in (folder, folder / TEMP, folder / MARKERS):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        publish(self._path(CONFIG), render(self._settings()))
        if not self._path(UPSTREAM).exists():
            self.write_route(None)

    def _clear_leftovers(self) -> None:
        """A killed nginx leaves its status socket, on which the next could not bind, and maybe markers."""
        self._path(STATUS_SOCKET).unlink(missing_ok=True)
        remove_markers(self.options.folder)

    def _settings(self) -> EdgeSettings:
        user = _root_user() if os.geteuid() == 0 else None
        return EdgeSettings(build=self.build, listen=str(self.address), user=user, limits=self.options.limits)

    def _running(self) -> Instance | None:
        if self._master is None or not self._master.alive():
            return None
        return Instance(self._master, self.options.folder, self.address)

    def _instance(self) -> Instance:
        running = self._running()
        if running is None:
            raise EdgeError("nginx does not run", code="edge_absent")
        return running

    def _path(self, name: str) -> Path:
        return self.options.folder / name


def _root_user() -> str:
    """Without it the workers of a root master become another user, who cannot enter the state folder."""
    user = pwd.getpwuid(os.geteuid())
    return f"{user.pw_name} {grp.getgrgid(user.pw_gid).gr_name}"
