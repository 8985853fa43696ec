"""nginx: found, new enough, and content with the configuration that the edge would give it."""

import asyncio
import math
import socket
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from modelsvc.doctor.findings import Finding, found
from modelsvc.doctor.situation import Situation
from supervisor import ports
from supervisor.config import Config
from supervisor.edge import Edge
from supervisor.errors import SupervisorError
from supervisor.nginx import command
from supervisor.nginx.config import OLDEST, EdgeLimits, NginxBuild
from supervisor.nginx.folder import EdgeOptions
from supervisor.protocol import Color

INSTALL = "brew install nginx" if sys.platform == "darwin" else "sudo apt-get install nginx"
ANY_PORT = ports.Address("127.0.0.1", 0)
RELOADS = {
    "keepalive_min_timeout": "reloads lose nothing by keepalive_min_timeout",
    "retire_then_reload": "reloads lose nothing by retiring connections first (from 1.27.4 on: keepalive_min_timeout)",
}


def check(situation: Situation) -> Iterator[Finding]:
    """What nginx is; then `nginx -t`, unless it is too old anyway."""
    program = command.locate(situation.config.edge.nginx)
    try:
        build = asyncio.run(command.inspect(program))
    except SupervisorError as error:
        code = "nginx_missing" if error.code == "nginx_missing" else "nginx_unusable"
        yield found(code, error.message, f"`{INSTALL}`, or set edge.nginx to the path of an nginx")
        return
    yield from judge(program, build)
    if build.version >= OLDEST:
        yield _tested(situation.config, program)


def judge(program: str, build: NginxBuild) -> Iterator[Finding]:
    """Its version and modules."""
    oldest = ".".join(map(str, OLDEST))
    if build.version < OLDEST:
        seen = f"{program} is nginx {build}, and {oldest} is the oldest that understands the edge's configuration"
        yield found("nginx_too_old", seen, f"`{INSTALL}` from a newer release of the system, or set edge.nginx")
    else:
        yield found("nginx_ok", f"{program} is nginx {build} ({oldest} or newer is needed); {RELOADS[build.swap]}")
    if not build.stub_status:
        yield found(
            "nginx_no_stub_status",
            f"{program} was built without http_stub_status_module: reloads of it are not waited for as exactly",
            f"`{INSTALL}` has it",
        )


def _tested(config: Config, program: str) -> Finding:
    """`nginx -t` of the very configuration the edge would write, but in a folder and on a port that nobody uses."""
    listener = ports.bind(ANY_PORT)
    try:
        with tempfile.TemporaryDirectory(prefix="modelsvc-doctor-") as folder:
            asyncio.run(_test(config, program, Path(folder), listener))
    except SupervisorError as error:
        return found("nginx_config_rejected", error.message, f"install another nginx (`{INSTALL}`), or set edge.nginx")
    finally:
        listener.close()
    return found("nginx_config_ok", f"`{program} -t` accepts the edge's configuration")


async def _test(config: Config, program: str, folder: Path, listener: socket.socket) -> None:
    options = EdgeOptions(
        folder,
        {color: config.port(color) for color in Color},
        f"{ANY_PORT.host}:{listener.getsockname()[1]}",
        program,
        EdgeLimits(hold_timeout_s=math.ceil(config.edge.hold_timeout_s)),
        origins=tuple(config.security.allowed_origins),
    )
    edge = await Edge.open(options)
    edge.take(listener)
    await edge.test_config()
