"""The edge: one private nginx in front of the workers, and the listening socket it serves on.

The supervisor binds the socket and hands it down, so that clients wait in its queue, and are not refused, while nginx
is down. nginx outlives the supervisor: the next one adopts it by pid and start time, and takes a second descriptor of
its socket where the system allows that. Elsewhere, should the adopted nginx end, `start` binds the address anew.

Where requests go is a file of its own (`supervisor.nginx.route`), in force at once; the configuration seldom changes.
"""

import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import structlog

from supervisor import ports
from supervisor.core.state import Color
from supervisor.errors import EdgeError
from supervisor.nginx import command
from supervisor.nginx.access_log import EdgeMark, mark
from supervisor.nginx.config import NginxBuild, fingerprint
from supervisor.nginx.folder import EdgeFolder, EdgeOptions
from supervisor.nginx.instance import Instance
from supervisor.nginx.listener import Listener
from supervisor.nginx.master import Master
from supervisor.nginx.orphans import Orphans
from supervisor.nginx.reload import ReloadStrategy, strategy_for
from supervisor.nginx.status import answers, running_fingerprint
from supervisor.nginx.tally import EdgeTally, tally
from supervisor.patience import eventually

START_TIMEOUT_S = 10.0
RELEASE_TIMEOUT_S = 2.0

log = structlog.get_logger()


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


Observe = Callable[[Color | None, float], None]  # where to, and how many seconds that took


class Edge:
    """Starts, reroutes, reloads, watches and stops the private nginx.

    Making one lays the folder out and starts nothing. `open` looks at the installed nginx first.
    """

    def __init__(self, options: EdgeOptions, build: NginxBuild) -> None:
        self.build = build
        self.address = ports.resolve(options.listen)
        self.strategy: ReloadStrategy = strategy_for(build)
        self.observe: Observe = lambda color, seconds: None  # called after each change of the route
        self.folder = EdgeFolder(options, build, self.address)
        self._listener = Listener(self.address)
        self._master: Master | None = None
        self._orphans = Orphans(options.folder, self.address, build.swap == "keepalive_min_timeout")
        self.folder.lay_out()

    @classmethod
    async def open(cls, options: EdgeOptions) -> "Edge":
        """Raises EdgeError when nginx is missing."""
        found = replace(options, nginx=command.locate(options.nginx))
        return cls(found, await command.inspect(found.nginx))

    @property
    def options(self) -> EdgeOptions:
        return self.folder.options

    # --- its life -----------------------------------------------------------------------------------------------------

    def bind(self) -> None:
        """Bind the listening socket, unless it is held already: by us, by nginx, or by workers of a killed nginx,
        from which `start` will take it over. Raises PortTaken."""
        if self._running() is None and not self._orphans.members():
            self._listener.bind()

    def take(self, listener: socket.socket, *, lasting: bool = False) -> None:
        """Listen on this socket. `lasting`: launchd or systemd bound it, and clients wait there when nginx is gone."""
        self._listener.take(listener, lasting=lasting)

    async def start(self) -> NginxIdentity:
        """Start nginx and wait until it answers; an nginx that runs is left as it is. Raises EdgeError, PortTaken."""
        if self._running() is None:
            await self._launch()
        return self.identity()

    def adopt(self, pid: int, started_at: float) -> bool:
        """Take over the nginx of an earlier supervisor; False when it has ended, its workers then go on by themselves
        until the next nginx serves."""
        self._master = Master.found(pid, started_at)
        if self._master is None:
            self._orphans.add(pid)
        self._listener.share((pid,) if self._master else self._orphans.members())
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
        nginx = self._running()
        if nginx and self._listener.lasting:  # who connects again will be answered
            await self._retire(nginx)
        self._orphans.quit()
        if self._master is not None:
            await self._master.stop(timeout_s)
        await self._orphans.end()

    def close(self) -> None:
        """Give up the listening socket; a running nginx keeps it."""
        self._listener.close()

    # --- its route ----------------------------------------------------------------------------------------------------

    def read_route(self) -> Color | None:
        """The colour that nginx finds in `route/`."""
        return self.folder.read_route()

    def write_route(self, color: Color | None) -> None:
        """Send the next request to `color`, or hold it. Raises StorageError."""
        self._route(color, time.monotonic())

    async def switch(self, color: Color | None) -> frozenset[int]:
        """As `write_route`, with the configuration as it should be in force first; what `apply_config` says."""
        began = time.monotonic()
        self.write_config()
        leaving = await self.apply_config()
        self._route(color, began)  # at once: a write that was cancelled must not come later
        return leaving

    # --- its configuration --------------------------------------------------------------------------------------------

    def write_config(self) -> bool:
        """Have nginx.conf say what it should; whether it did not. Raises StorageError."""
        return self.folder.write_config()

    async def test_config(self) -> None:
        """`nginx -t`. Raises EdgeError with nginx's own words."""
        await command.check_config(self.options.nginx, self.build, self.options.folder, self._listener.socket)

    async def apply_config(self) -> frozenset[int]:
        """Reload if nginx runs with another configuration than the one on disk; what `reload` says.

        An nginx that is yet to be started, after a crash say, will read it then.
        """
        if self._running() is None:
            return frozenset()
        in_force = await running_fingerprint(self.folder.status_socket)
        if in_force and in_force == fingerprint(self.folder.read_config()):
            return frozenset()
        return await self.reload()

    async def reload(self) -> frozenset[int]:
        """Put the configuration in force, losing no request; the pids of the nginx workers that leave.

        Raises EdgeError.
        """
        return await self.strategy.reload(self._instance())

    def workers(self) -> frozenset[int]:
        """nginx workers that accept connections."""
        return self._master.workers() if self._master else frozenset()

    def old_workers(self) -> frozenset[int]:
        """nginx workers that only finish what they have: left by a reload, or by a killed master."""
        leaving = self._master.leaving_workers() if self._master else frozenset()
        return leaving | self._orphans.members()

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

    def mark(self) -> EdgeMark:
        """Now, for a tally later."""
        return mark(self.folder.access_log)

    def tally(self, since: EdgeMark) -> EdgeTally:
        """What was answered since the mark. Blocks, for half a second with the longest log."""
        return tally(self.folder.access_log, since)

    # --- how ----------------------------------------------------------------------------------------------------------

    def _route(self, color: Color | None, began: float) -> None:
        before = self.read_route()
        self.folder.write_route(color)
        if before is not color:
            self.observe(color, time.monotonic() - began)

    async def _launch(self) -> None:
        if self._master is not None:
            self._orphans.add(self._master.pid)
            self._master = None
        listener = await self._take_address_over()
        self.folder.lay_out()
        self.folder.clear_leftovers(self._orphans.members())
        child = command.start(self.options.nginx, self.build, self.options.folder, listener)
        self._master = Master.born(child)
        try:
            await self._ready()
        except BaseException:
            await self._master.stop(0)
            raise
        self._orphans.retire()

    async def _retire(self, nginx: Instance) -> None:
        """On a full disk, say, clients cannot be told: one may lose a request, but an end would wait for ever."""
        try:
            await self.strategy.retire(nginx)
        except (EdgeError, OSError) as error:
            log.warning("clients_not_told", reason=str(error))

    async def _ready(self) -> None:
        async def decided() -> bool:
            return self._running() is None or await answers(self.folder.status_socket)

        if not await eventually(decided, START_TIMEOUT_S):
            raise EdgeError(f"nginx does not answer {START_TIMEOUT_S:.0f} s after its start")
        if self._running() is None:
            said = self.folder.said_at_start()
            raise EdgeError(f"nginx did not start: {command.complaint(said) or said.strip()}", code="config_rejected")

    async def _take_address_over(self) -> socket.socket:
        """Bind the socket, unless we hold it; an orphan gives the address up a moment after it is told to finish."""

        async def given_up() -> bool:
            return ports.is_free(self.address)

        if self._listener.socket is None and self._orphans.groups:
            self._orphans.quit()
            await eventually(given_up, RELEASE_TIMEOUT_S)
        return self._listener.bind()

    def _running(self) -> Instance | None:
        if self._master is None or not self._master.alive():
            return None
        return Instance(self._master, self.options.folder, self.address)

    def _instance(self) -> Instance:
        running = self._running()
        if running is None:
            raise EdgeError("nginx does not run", code="edge_absent")
        return running
