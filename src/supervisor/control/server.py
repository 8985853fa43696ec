"""The control API's server, on the control socket."""

from pathlib import Path
from typing import Any

from supervisor.http.unix_server import UnixServer


class ControlServer(UnixServer):
    def __init__(self, app: Any, path: Path) -> None:
        super().__init__(app, path, "control", "set control.socket to a path of its own")
