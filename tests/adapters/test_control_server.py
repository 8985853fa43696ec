"""The control socket: for its owner only, replaced when left behind, gone after the end."""

import asyncio
import os
import socket
import stat
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from granian.server.embed import Server
from litestar import Litestar, get

from supervisor.control.server import ControlServer
from supervisor.errors import AlreadyRunning, ConfigError, SupervisorError
from supervisor.paths import StatePaths
from supervisor.startup import lay_out


def app() -> Litestar:
    @get("/status")
    async def status() -> dict[str, str]:
        return {"active": "blue"}

    return Litestar([status], logging_config=None)


async def ask(path: Path) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(uds=str(path))) as client:
        return await client.get("http://localhost/status", timeout=10)


async def test_it_answers_on_a_socket_that_only_the_owner_may_open(folder: Path) -> None:
    """And takes it away at the end."""
    path = folder / "control.sock"
    server = ControlServer(app(), path)
    await server.start()
    mode = stat.S_IMODE(path.stat().st_mode)
    try:
        answer = await ask(path)
    finally:
        await server.stop()

    assert mode == 0o600
    assert (answer.status_code, answer.json()) == (200, {"active": "blue"})
    assert not path.exists()


async def test_what_a_killed_supervisor_left_is_replaced(folder: Path) -> None:
    """Nobody listens on it."""
    path = folder / "control.sock"
    with closing(socket.socket(socket.AF_UNIX)) as left:
        left.bind(str(path))
    server = ControlServer(app(), path)
    await server.start()
    try:
        assert path.is_socket()
        assert (await ask(path)).status_code == 200
    finally:
        await server.stop()


async def test_a_socket_that_could_not_be_made_anew_is_made_anew_later(folder: Path) -> None:
    """As often as that is tried, and all that was begun ends with it."""
    path = folder / "run" / "control.sock"
    path.parent.mkdir()
    server = ControlServer(app(), path)
    await server.start()
    path.unlink()
    path.parent.rmdir()
    for _ in range(3):
        with pytest.raises(SupervisorError, match="cannot be made"):
            await server.recreate()
    path.parent.mkdir()
    await server.recreate()
    try:
        assert (await ask(path)).status_code == 200
        assert len(server._cut_off) == 1
    finally:
        await server.stop()
    assert not path.exists()


async def test_a_file_that_is_no_socket_is_left_alone(folder: Path) -> None:
    """control.socket may name anything by mistake."""
    path = folder / "notes.txt"
    path.write_text("mine")
    with pytest.raises(ConfigError, match=r"notes\.txt, which is no socket: set control\.socket"):
        await ControlServer(app(), path).start()
    assert path.read_text() == "mine"


async def test_a_socket_that_answers_is_left_to_its_supervisor(folder: Path) -> None:
    """Two state folders may name one control.socket by mistake."""
    path = folder / "control.sock"
    with closing(socket.socket(socket.AF_UNIX)) as other:
        other.bind(str(path))
        other.listen()
        with pytest.raises(AlreadyRunning, match=r"set control\.socket to a path of its own"):
            await ControlServer(app(), path).start()
    assert path.is_socket()


async def test_a_path_that_is_too_long_is_an_error_that_says_so(folder: Path) -> None:
    """Before anything is started."""
    with pytest.raises(ConfigError, match=r"set MODELSVC_HOME or control\.socket to a shorter path"):
        ControlServer(app(), folder / ("x" * 104))


async def test_stopping_what_never_started_does_nothing(folder: Path) -> None:
    """As an error on the way up would do."""
    await ControlServer(app(), folder / "control.sock").stop()


async def test_an_answer_under_way_is_finished(folder: Path) -> None:
    """The stop waits for whoever is being answered."""
    path, asked, go = folder / "control.sock", asyncio.Event(), asyncio.Event()

    @get("/status")
    async def status() -> dict[str, str]:
        asked.set()
        await go.wait()
        return {"active": "blue"}

    server = ControlServer(Litestar([status], logging_config=None), path)
    await server.start()
    answer = asyncio.create_task(ask(path))
    await asyncio.wait_for(asked.wait(), 10)
    stopping = asyncio.create_task(server.stop())
    await asyncio.sleep(0)
    go.set()
    await stopping

    assert (await answer).json() == {"active": "blue"}


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o777], ids=oct)
async def test_only_the_owner_may_open_it_whatever_the_umask_and_the_folder(folder: Path, mask: int) -> None:
    """control.socket may be in a folder that others can enter; at no moment do they find it open."""
    folder.chmod(0o777)
    path = folder / "control.sock"
    server = ControlServer(app(), path)
    seen: set[int] = set()
    previous = os.umask(mask)
    try:
        looking = asyncio.create_task(_modes(path, seen))
        await server.start()
        assert (await ask(path)).status_code == 200
        looking.cancel()
    finally:
        os.umask(previous)
        await server.stop()
    assert seen == {0o600}


async def test_what_others_create_meanwhile_has_its_own_rights(folder: Path) -> None:
    """The umask is that of the whole process, and stays as it is."""
    server, created = ControlServer(app(), folder / "control.sock"), folder / "created"
    modes: set[int] = set()

    async def create() -> None:
        while True:
            created.mkdir()
            modes.add(stat.S_IMODE(created.stat().st_mode))
            created.rmdir()
            await asyncio.sleep(0)

    previous = os.umask(0o022)
    try:
        creating = asyncio.create_task(create())
        await asyncio.sleep(0)
        await server.start()
        creating.cancel()
        assert (await ask(folder / "control.sock")).status_code == 200
    finally:
        os.umask(previous)
        await server.stop()
    assert modes == {0o755}


async def test_a_socket_that_cannot_be_made_is_an_error_that_says_so(folder: Path) -> None:
    """Its folder is gone, say."""
    with pytest.raises(SupervisorError, match=r"the control socket .* cannot be made: .*No such file") as failed:
        await ControlServer(app(), folder / "gone" / "c.sock").start()
    assert failed.value.code == "control_socket"


async def test_a_server_that_fails_takes_its_socket_away(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else whoever connects would wait for ever."""

    async def broken(_: Server) -> None:
        raise RuntimeError("no thread is left")

    monkeypatch.setattr(Server, "serve", broken)
    with pytest.raises(SupervisorError, match="cannot be made: no thread is left"):
        await ControlServer(app(), folder / "control.sock").start()
    assert not (folder / "control.sock").exists()


async def _modes(path: Path, seen: set[int]) -> None:
    """Every mode the socket has while it comes to be."""
    while True:
        if path.exists():
            seen.add(stat.S_IMODE(path.stat().st_mode))
        await asyncio.sleep(0)


@pytest.mark.parametrize("mask", [0o000, 0o022])
def test_the_folder_of_the_default_socket_is_the_owners(folder: Path, mask: int) -> None:
    """Also one that was there before, open to all."""
    paths = StatePaths(folder / "s")
    previous = os.umask(mask)
    try:
        paths.run.mkdir(mode=0o777, parents=True)
        lay_out(paths)
    finally:
        os.umask(previous)
    assert stat.S_IMODE(paths.run.stat().st_mode) == 0o700


@pytest.mark.parametrize("host", ["localhost", "evil.test", ""])
async def test_the_host_of_a_request_does_not_matter(folder: Path, host: str) -> None:
    """Whoever can open the socket is the owner; no page can."""
    path = folder / "control.sock"
    server = ControlServer(app(), path)
    await server.start()
    try:
        reader, writer = await asyncio.open_unix_connection(str(path))
        writer.write(f"GET /status HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        answer = await asyncio.wait_for(reader.read(), 10)
        writer.close()
    finally:
        await server.stop()
    assert answer.startswith(b"HTTP/1.1 200")
