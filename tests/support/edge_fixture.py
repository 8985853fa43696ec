"""An edge in a folder of its own, on a free port, of which nothing is left afterwards."""

import os
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from disposable.ports import free_port

from supervisor.core.state import Color
from supervisor.edge import Edge
from supervisor.holder import Holder
from supervisor.http.unix_server import UnixServer
from supervisor.nginx.command import inspect
from supervisor.nginx.config import EdgeLimits, Version
from supervisor.nginx.folder import EdgeOptions
from supervisor.nginx.master import group_members

# The suite can be run against another nginx than the installed one.
NGINX = os.environ.get("MODELSVC_TEST_NGINX", "nginx")


@asynccontextmanager
async def edge_folder(name: str = "edge") -> AsyncIterator[Path]:
    """A folder whose path is short enough for Unix sockets wherever the temporary folder is."""
    root = Path(tempfile.mkdtemp(prefix="msvc"))
    try:
        yield root / name
    finally:
        shutil.rmtree(root)


@asynccontextmanager
async def holding(edge: Edge, holder: Holder) -> AsyncIterator[None]:
    """The holder serves where this edge looks for it."""
    path = edge.options.hold_socket or edge.options.folder / "hold.sock"
    server = UnixServer(holder, path, "hold", "use another folder", concurrency=512)
    await server.start()
    try:
        yield
    finally:
        holder.close()
        await server.stop()


@asynccontextmanager
async def running_edge(
    ports: dict[Color, int] | None = None,
    *,
    name: str = "edge",
    limits: EdgeLimits | None = None,
    as_version: Version | None = None,
    listener: "socket.socket | None" = None,
    lasting: bool = False,
    origins: tuple[str, ...] = (),
) -> AsyncIterator[Edge]:
    """A started edge that routes to nobody yet; fails when nginx processes survive its stop.

    `as_version` treats the installed nginx as another one: a newer one can do what an older one does. `listener` is
    somebody else's socket for it to serve on.
    """
    async with edge_folder(name) as folder:
        port = listener.getsockname()[1] if listener else free_port()
        options = EdgeOptions(folder, ports or {}, f"127.0.0.1:{port}", NGINX, limits or EdgeLimits(), origins=origins)
        build = await inspect(NGINX)
        edge = Edge(options, replace(build, version=as_version or build.version))
        if listener:
            edge.take(listener.dup(), lasting=lasting)
        try:
            pid = (await edge.start()).pid
            yield edge
        finally:
            await edge.stop(timeout_s=1)
            edge.close()
        assert not group_members(pid)
