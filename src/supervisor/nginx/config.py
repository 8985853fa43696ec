"""nginx's configuration as text: settings in, text out.

There are two kinds of nginx. From 1.27.4 on, `keepalive_min_timeout` keeps idle connections open over a reload. An
older one is told to retire first: while `retiring/<pid of the nginx worker>` exists, that worker ends every answer with
`Connection: close` (see `supervisor.nginx.reload`).
"""

import json
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Literal

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from supervisor.core.state import Color

Swap = Literal["keepalive_min_timeout", "retire_then_reload"]
Version = tuple[int, int, int]

MIN_TIMEOUT_SINCE: Version = (1, 27, 4)
TEMP_FOLDERS = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")

# nginx fails to connect to a socket that is not there just as it does to a port that nobody serves.
NOBODY = "unix:nobody.sock"


@dataclass(frozen=True, slots=True)
class NginxBuild:
    """What the installed nginx is and can do."""

    version: Version
    stub_status: bool = True
    temp_folders: tuple[str, ...] = TEMP_FOLDERS

    @property
    def swap(self) -> Swap:
        return "keepalive_min_timeout" if self.version >= MIN_TIMEOUT_SINCE else "retire_then_reload"

    def __str__(self) -> str:
        return ".".join(map(str, self.version))


@dataclass(frozen=True, slots=True)
class EdgeLimits:
    """How much and how long the edge bears."""

    body_bytes: int = 1024 * 1024
    client_timeout_s: int = 60
    keepalive_timeout_s: int = 75
    connect_timeout_s: int = 2
    read_timeout_s: int = 600  # a long prompt is silent until its first token


@dataclass(frozen=True, slots=True)
class EdgeSettings:
    """What the edge's configuration depends on; `listen` is numeric, `user` only for a master that runs as root."""

    build: NginxBuild
    listen: str
    user: str | None = None
    worker_processes: int = 1
    access_log: bool = True
    limits: EdgeLimits = field(default_factory=EdgeLimits)


@dataclass(frozen=True, slots=True)
class EdgeBornError:
    """An error that nginx itself answers: `caught` is nginx's own status, `status` the client's."""

    caught: int
    status: int
    type: str
    code: str
    message: str

    @property
    def body(self) -> str:
        return _error_body(self.type, self.message, self.code)


def render(settings: EdgeSettings) -> str:
    """The text of nginx.conf."""
    return _template("nginx.conf.j2").render(
        edge=settings,
        limits=settings.limits,
        build=settings.build,
        errors=edge_born_errors(settings.limits),
        unavailable=_error_body("unavailable", "no worker is serving right now; retry in 1 s", "no_worker"),
    )


def render_upstream(color: Color | None, port: int = 0) -> str:
    """The text of upstream.conf: where requests go, nobody when `color` is None."""
    server = f"127.0.0.1:{port}" if color else NOBODY
    return _template("upstream.conf.j2").render(color=color, server=server)


def routed_color(upstream: str) -> Color | None:
    """The colour that `upstream`, a text of `render_upstream`, routes to."""
    named = upstream.partition("\n")[0].removeprefix("# route: ")
    return Color(named) if named in set(Color) else None


def edge_born_errors(limits: EdgeLimits) -> tuple[EdgeBornError, ...]:
    """Each error nginx may answer by itself, as the JSON that every client of the service expects."""
    limit = limits.body_bytes
    wrong = "invalid_request"
    return (
        EdgeBornError(400, 400, wrong, "bad_request", "this is not a valid HTTP request"),
        EdgeBornError(404, 404, "not_found", "not_found", "there is nothing at this path"),
        EdgeBornError(405, 405, wrong, "method_not_allowed", "this HTTP method is not served"),
        EdgeBornError(408, 408, wrong, "request_timeout", "the request took too long to arrive; send it again"),
        EdgeBornError(413, 413, wrong, "body_too_large", f"the request body has more than {limit} bytes; send less"),
        EdgeBornError(414, 414, wrong, "uri_too_long", "the request line has more than 8 KB; send a shorter URI"),
        EdgeBornError(494, 431, wrong, "headers_too_large", "the request headers have more than 8 KB; send less"),
        EdgeBornError(500, 500, "failed", "edge_failed", "the edge could not handle the request; see its error.log"),
        EdgeBornError(504, 504, "timed_out", "worker_timeout", "the worker did not answer in time; ask for less"),
    )


def _error_body(kind: str, message: str, code: str) -> str:
    return json.dumps({"error": {"type": kind, "message": message, "code": code}})


@cache
def _template_folder() -> Environment:
    return Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )


def _template(name: str) -> Template:
    return _template_folder().get_template(name)
