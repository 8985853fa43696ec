"""nginx's configuration as text: settings in, text out.

There are two kinds of nginx. From 1.27.4 on, `keepalive_min_timeout` keeps idle connections open over a reload. An
older one is told to retire first: while `retiring/<pid of the nginx worker>` exists, that worker ends every answer with
`Connection: close` (see `supervisor.nginx.reload`).

The route is no part of it: each request looks for the marker of a colour (see `supervisor.nginx.route`). One that finds
nobody, or a worker that says 503, goes to `@hold`, and from there back to `@replay`, method, URI, headers and body as
the client sent them. Whoever asks how the service is goes to `@ask` instead, where the holder tells it at once.
nginx allows ten redirects within a request; three replays with a retiring worker take nine.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Literal

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from supervisor.core.state import Color
from supervisor.nginx.access_log import HEALTH_PATHS
from supervisor.open_files import OPEN_FILES
from supervisor.unavailable import ASK_PATH, AWAY, GIVEN_UP, REPLAYS

Swap = Literal["keepalive_min_timeout", "retire_then_reload"]
Version = tuple[int, int, int]

OLDEST: Version = (1, 15, 3)  # whose `keepalive_timeout` may stand in an upstream
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
    preflight_age_s: int = 600  # what a browser was told of an origin, it need not ask again for so long
    hold_timeout_s: int = 30  # the holder's, which answers in time by itself


@dataclass(frozen=True, slots=True)
class EdgeSettings:
    """What the edge's configuration depends on.

    `listen` is numeric, `hold_socket` counts from the edge's folder, `user` is only for a master that runs as root.
    `origins` are those of pages that may read answers, "*" for all.
    """

    build: NginxBuild
    listen: str
    ports: Mapping[Color, int] = field(default_factory=dict)
    hold_socket: str = "hold.sock"
    user: str | None = None
    origins: tuple[str, ...] = ()
    worker_processes: int = 1
    open_files: int = OPEN_FILES
    access_log: bool = True
    limits: EdgeLimits = field(default_factory=EdgeLimits)

    def server(self, color: Color) -> str:
        """Where the worker of this colour listens."""
        return f"127.0.0.1:{self.ports[color]}" if color in self.ports else NOBODY


@dataclass(frozen=True, slots=True)
class EdgeBornError:
    """An error that nginx itself answers: `caught` is nginx's own status, `status` the client's."""

    caught: int
    status: int
    type: str
    code: str
    message: str
    intercepted: bool = False  # caught where requests are proxied, too: nobody reads a worker's own

    @property
    def body(self) -> str:
        return _error_body(self.type, self.message, self.code)


def render(settings: EdgeSettings) -> str:
    """The text of nginx.conf, which contains its own fingerprint."""
    return _render(settings, hashlib.sha256(_render(settings, "").encode()).hexdigest()[:16])


def fingerprint(config: str) -> str:
    """What an nginx that runs with this text answers on its status socket; empty for a foreign text."""
    found = _FINGERPRINT.search(config)
    return found[1] if found else ""


def edge_born_errors(limits: EdgeLimits) -> tuple[EdgeBornError, ...]:
    """Each error nginx may answer by itself, as the JSON that every client of the service expects."""
    limit = limits.body_bytes
    wrong = "invalid_request"
    return (
        EdgeBornError(400, 400, wrong, "bad_request", "this is not a valid HTTP request"),
        EdgeBornError(404, 404, "not_found", "not_found", "there is nothing at this path"),
        EdgeBornError(405, 405, wrong, "method_not_allowed", "this HTTP method is not served"),
        EdgeBornError(408, 408, wrong, "request_timeout", "the request took too long to arrive; send it again", True),
        EdgeBornError(
            413, 413, wrong, "body_too_large", f"the request body has more than {limit} bytes; send less", True
        ),
        EdgeBornError(414, 414, wrong, "uri_too_long", "the request line has more than 8 KB; send a shorter URI"),
        EdgeBornError(494, 431, wrong, "headers_too_large", "the request headers have more than 8 KB; send less"),
        EdgeBornError(500, 500, "failed", "edge_failed", "the edge could not handle the request; see its error.log"),
        EdgeBornError(504, 504, "timed_out", "worker_timeout", "the worker did not answer in time; ask for less", True),
    )


def _render(settings: EdgeSettings, its_fingerprint: str) -> str:
    return _template("nginx.conf.j2").render(
        edge=settings,
        colors=tuple(Color),
        limits=settings.limits,
        build=settings.build,
        errors=edge_born_errors(settings.limits),
        health_paths="|".join(sorted(map(re.escape, HEALTH_PATHS))),
        replays=REPLAYS,
        away=AWAY,
        given_up=GIVEN_UP,
        ask_path=ASK_PATH,
        fingerprint=its_fingerprint,
    )


def _error_body(kind: str, message: str, code: str) -> str:
    return json.dumps({"error": {"type": kind, "message": message, "code": code}})


_FINGERPRINT = re.compile(r'return 200 "(\w+)"')


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
