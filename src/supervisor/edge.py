"""The edge: one private nginx in front of the workers, and the listening socket it serves on.

The supervisor binds the socket and hands it down, so that clients wait in its queue, and are not refused, while nginx
is down. nginx outlives the supervisor: the next one adopts it by pid and start time, and takes a second descriptor of
its socket where the system allows that. Elsewhere, should the adopted nginx end, `start` binds the address anew.

Where requests go is a file of its own (`supervisor.nginx.route`), in force at once; the configuration seldom changes.
"""

import grp
import os
import pwd
import socket
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import structlog

from supervisor import ports
from supervisor.core.state import Color
from supervisor.errors import EdgeError
from supervisor.files import publish, read_text
from supervisor.nginx import command
from supervisor.nginx.access_log import EdgeMark, mark
from supervisor.nginx.config import EdgeLimits, EdgeSettings, NginxBuild, fingerprint, open_files, render
from supervisor.nginx.inherit import listening_socket
from supervisor.nginx.instance import STATUS_SOCKET, Instance
from supervisor.nginx.master import Master
from supervisor.nginx.orphans import Orphans
from supervisor.nginx.reload import MARKERS, ReloadStrategy, remove_markers, strategy_for
from supervisor.nginx.route import ROUTE, read_route, write_route
from supervisor.nginx.status import answers, running_fingerprint
from supervisor.nginx.tally import EdgeTally, tally
from supervisor.paths import check_socket_path
from supervisor.patience import eventually

START_TIMEOUT_S = 10.0
RELEASE_TIMEOUT_S = 2.0
CONFIG, ACCESS_LOG, TEMP = "nginx.conf", "access.log", "temp"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class EdgeOptions:
    """Where the edge lives, what it listens on, the worker port of each colour, and where requests are held.

    Without a holder's socket, a request that finds nobody home is answered 503 at once.
    """

    folder: Path
    ports: Mapping[Color, int]
    listen: str = "127.0.0.1:8080"
    nginx: str = "nginx"
    limits: EdgeLimits = field(default_factory=EdgeLimits)
    hold_socket: Path | None = None


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
        self.options = options
        self.build = build
        self.address = ports.resolve(options.listen)
        self.strategy: ReloadStrategy = strategy_for(build)
        self.observe: Observe = lambda color, seconds: None  # called after each change of the route
        self._listener: socket.socket | None = None
        self._lasting = False
        self._master: Master | None = None
        self._orphans = Orphans(options.folder, self.address, build.swap == "keepalive_min_timeout")
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
        if self._running() is None and not self._orphans.members():
            self._bind()

    def take(self, listener: socket.socket, *, lasting: bool = False) -> None:
        """Listen on this socket. `lasting`: launchd or systemd bound it, and clients wait there when nginx is gone."""
        # nginx does not look after the mode of an inherited socket: in a blocking one, two workers that wake for one
        # client would leave the slower of them stuck in accept() with all its connections.
        listener.setblocking(False)
        self._listener = listener
        self._lasting = lasting

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
        self._inherit((pid,) if self._master else self._orphans.members())
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
        if nginx and self._lasting:  # who connects again will be answered
            await self._retire(nginx)
        self._orphans.quit()
        if self._master is not None:
            await self._master.stop(timeout_s)
        await self._orphans.end()

    def close(self) -> None:
        """Give up the listening socket; a running nginx keeps it."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    # --- its route ----------------------------------------------------------------------------------------------------

    def read_route(self) -> Color | None:
        """The colour that nginx finds in `route/`."""
        return read_route(self._path(ROUTE))

    def write_route(self, color: Color | None) -> None:
        """Send the next request to `color`, or hold it. Raises StorageError."""
        self._route(color, time.monotonic())

    async def switch(self, color: Color | None) -> frozenset[int]:
        """As `write_route`, with the configuration on disk in force first; what `apply_config` says."""
        began = time.monotonic()
        leaving = await self.apply_config()
        self._route(color, began)  # at once: a write that was cancelled must not come later
        return leaving

    # --- its configuration --------------------------------------------------------------------------------------------

    def write_config(self) -> bool:
        """Have nginx.conf say what it should; whether it did not. Raises StorageError."""
        text = render(self._settings())
        differs = read_text(self._path(CONFIG)) != text
        if differs:
            publish(self._path(CONFIG), text)
        return differs

    async def test_config(self) -> None:
        """`nginx -t`. Raises EdgeError with nginx's own words."""
        await command.check_config(self.options.nginx, self.build, self.options.folder, self._listener)

    async def apply_config(self) -> frozenset[int]:
        """Reload if nginx runs with another configuration than the one on disk; what `reload` says.

        An nginx that is yet to be started, after a crash say, will read it then.
        """
        if self._running() is None:
            return frozenset()
        in_force = await running_fingerprint(self._path(STATUS_SOCKET))
        if in_force and in_force == fingerprint(read_text(self._path(CONFIG))):
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
        return mark(self._path(ACCESS_LOG))

    def tally(self, since: EdgeMark) -> EdgeTally:
        """What was answered since the mark. Blocks, for half a second with the longest log."""
        return tally(self._path(ACCESS_LOG), since)

    # --- how ----------------------------------------------------------------------------------------------------------

    def _route(self, color: Color | None, began: float) -> None:
        before = self.read_route()
        write_route(self._path(ROUTE), color)
        if before is not color:
            self.observe(color, time.monotonic() - began)

    async def _launch(self) -> None:
        if self._master is not None:
            self._orphans.add(self._master.pid)
            self._master = None
        await self._take_address_over()
        self.write_config()
        self._clear_leftovers()
        assert self._listener is not None
        child = command.start(self.options.nginx, self.build, self.options.folder, self._listener)
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
            return self._running() is None or await answers(self._path(STATUS_SOCKET))

        if not await eventually(decided, START_TIMEOUT_S):
            raise EdgeError(f"nginx does not answer {START_TIMEOUT_S:.0f} s after its start")
        if self._running() is None:
            said = read_text(self._path(command.START_LOG))
            raise EdgeError(f"nginx did not start: {command.complaint(said) or said.strip()}", code="config_rejected")

    async def _take_address_over(self) -> None:
        """Bind the socket, unless we hold it; an orphan gives the address up a moment after it is told to finish."""

        async def given_up() -> bool:
            return ports.is_free(self.address)

        if self._listener is None and self._orphans.groups:
            self._orphans.quit()
            await eventually(given_up, RELEASE_TIMEOUT_S)
        self._bind()

    def _inherit(self, pids: Iterable[int]) -> None:
        """Have a descriptor of the listening socket too, where the system allows it."""
        for pid in pids:
            if self._listener is None and (listener := listening_socket(pid, self.address)):
                self.take(listener)

    def _bind(self) -> None:
        if self._listener is None:
            self.take(ports.bind(self.address))

    def _lay_out(self) -> None:
        folder = self.options.folder
        check_socket_path(self._path(STATUS_SOCKET))
        for path in (folder, folder / TEMP, folder / MARKERS):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.write_config()
        if self.read_route() is None:
            self.write_route(None)

    def _clear_leftovers(self) -> None:
        """A killed nginx leaves its status socket, on which the next could not bind, and maybe markers."""
        self._path(STATUS_SOCKET).unlink(missing_ok=True)
        remove_markers(self.options.folder, keep=self._orphans.members())

    def _settings(self) -> EdgeSettings:
        options = self.options
        hold_socket = options.hold_socket or options.folder / "hold.sock"
        return EdgeSettings(
            build=self.build,
            listen=str(self.address),
            ports=options.ports,
            # `..` leaves the folder where it really is.
            hold_socket=os.path.relpath(hold_socket.parent.resolve() / hold_socket.name, options.folder.resolve()),
            user=_root_user() if os.geteuid() == 0 else None,
            open_files=open_files(),
            limits=options.limits,
        )

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
