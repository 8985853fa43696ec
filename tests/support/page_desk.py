"""The status page's routes over the real planner, behind the real guard, with nginx played by a socket."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from tests.core.world import BLUE, GREEN
from tests.support.control_plane import Desk, desk

from modelsvc import keyfile
from supervisor.core.state import Color
from supervisor.front.server import build_front
from supervisor.page.access import access_of
from supervisor.page.chat import Relay
from supervisor.page.pulse import Pulse
from supervisor.page.routes import page_routes
from supervisor.page.tokens import TokenRates

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nx-modelsvc-color: green\r\nset-cookie: a=b\r\n\r\n"


@dataclass
class Nginx:
    """Answers every request with HEAD and `pieces`; after them it waits for `over`. `gone` counts clients that left."""

    pieces: list[bytes] = field(default_factory=list)
    over: asyncio.Event = field(default_factory=asyncio.Event)
    asked: list[bytes] = field(default_factory=list)
    gone: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            (int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0
        )
        self.asked.append(head + await reader.readexactly(length))
        writer.write(HEAD + b"".join(self.pieces))
        left = asyncio.ensure_future(reader.read())
        over = asyncio.ensure_future(self.over.wait())
        await asyncio.wait([left, over], return_when=asyncio.FIRST_COMPLETED)
        self.gone += left.done()
        left.cancel()
        over.cancel()
        writer.close()


@dataclass
class PageDesk:
    """`key` opens the page where it has keys."""

    desk: Desk
    page: httpx.AsyncClient
    nginx: Nginx
    relay: Relay
    pulse: Pulse
    key: str

    def with_key(self, key: str = "") -> dict[str, str]:
        return {"authorization": f"Bearer {key or self.key}"}


@asynccontextmanager
async def page_desk(folder: Path, keys: bool = False, listen: str = "127.0.0.1:9180") -> AsyncIterator[PageDesk]:
    """Blue serves release 1 as far as the planner knows."""
    nginx = Nginx()
    path = folder / "keys"
    key = keyfile.add(path, "ada") if keys else ""
    async with desk(folder, {BLUE: 1, GREEN: 1}) as asked:
        server = await asyncio.start_server(nginx.serve, "127.0.0.1", 0)
        async with server, page_client(asked, server, path if keys else None, listen) as (page, relay, pulse):
            yield PageDesk(asked, page, nginx, relay, pulse, key)


@asynccontextmanager
async def page_client(
    asked: Desk, server: asyncio.Server, keys: Path | None, listen: str
) -> AsyncIterator[tuple[httpx.AsyncClient, Relay, Pulse]]:
    control = asked.config.control.model_copy(update={"metrics_listen": listen})
    security = asked.config.security.model_copy(update={"api_keys_file": str(keys or "")})
    access = access_of(asked.config.model_copy(update={"control": control, "security": security}))
    relay = Relay(f"127.0.0.1:{server.sockets[0].getsockname()[1]}")
    pulse = Pulse(1, lambda: BLUE, TokenRates(nothing, lambda color: None), no_look)
    app = build_front(metrics, ["localhost"], page_routes(asked.plane(), pulse, relay, access))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:9180") as page:
        yield page, relay, pulse
    await relay.close()


async def nothing(color: Color) -> None:
    return None


async def no_look() -> None:
    return None


async def metrics() -> bytes:
    return b"up 1\n"
