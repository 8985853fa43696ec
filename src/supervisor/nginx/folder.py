"""The edge's folder: nginx.conf as it should be, the route, nginx's log, and what a killed nginx leaves behind."""

import grp
import os
import pwd
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from supervisor import open_files
from supervisor.core.state import Color
from supervisor.files import make_folder, publish, read_text
from supervisor.nginx.command import START_LOG
from supervisor.nginx.config import EdgeLimits, EdgeSettings, NginxBuild, render
from supervisor.nginx.instance import STATUS_SOCKET
from supervisor.nginx.reload import MARKERS, remove_markers
from supervisor.nginx.route import ROUTE, read_route, write_route
from supervisor.paths import check_socket_path
from supervisor.ports import Address

CONFIG, ACCESS_LOG, TEMP = "nginx.conf", "access.log", "temp"


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
    origins: tuple[str, ...] = ()


@dataclass(slots=True)
class EdgeFolder:
    """`address` is what `options.listen` means on this machine."""

    options: EdgeOptions
    build: NginxBuild
    address: Address

    @property
    def path(self) -> Path:
        return self.options.folder

    @property
    def status_socket(self) -> Path:
        return self.path / STATUS_SOCKET

    @property
    def access_log(self) -> Path:
        return self.path / ACCESS_LOG

    def lay_out(self) -> None:
        """Everything that nginx needs to start; a route that is there stays. Raises StorageError."""
        check_socket_path(self.status_socket)
        for path in (self.path, self.path / TEMP, self.path / MARKERS):
            make_folder(path)
        self.write_config()
        if self.read_route() is None:
            self.write_route(None)

    def read_route(self) -> Color | None:
        """The colour that nginx finds in `route/`."""
        return read_route(self.path / ROUTE)

    def write_route(self, color: Color | None) -> None:
        """Raises StorageError."""
        write_route(self.path / ROUTE, color)

    def read_config(self) -> str:
        """nginx.conf as it is; empty when there is none."""
        return read_text(self.path / CONFIG)

    def write_config(self) -> bool:
        """Have nginx.conf say what it should; whether it did not. Raises StorageError."""
        text = render(self._settings())
        differs = self.read_config() != text
        if differs:
            publish(self.path / CONFIG, text)
        return differs

    def said_at_start(self) -> str:
        """What nginx printed when it was started last."""
        return read_text(self.path / START_LOG)

    def clear_leftovers(self, living: frozenset[int]) -> None:
        """A killed nginx leaves its status socket, on which the next could not bind, and maybe markers.

        `living`: nginx workers that still heed theirs.
        """
        self.status_socket.unlink(missing_ok=True)
        remove_markers(self.path, keep=living)

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
            open_files=open_files.attainable(),
            limits=options.limits,
            origins=options.origins,
        )


def _root_user() -> str:
    """Without it the workers of a root master become another user, who cannot enter the state folder."""
    user = pwd.getpwuid(os.geteuid())
    return f"{user.pw_name} {grp.getgrgid(user.pw_gid).gr_name}"
