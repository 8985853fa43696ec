"""Announcements of workers, over a real datagram socket."""

import asyncio
import os
import socket
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from modelsvc.worker.notify import Notifier
from supervisor.core.events import Event, WorkerProgressed, WorkerReady
from supervisor.errors import ConfigError
from supervisor.workers import notify
from supervisor.workers.notify import parse


class Inbox:
    """What was announced, in order."""

    def __init__(self) -> None:
        self.events: asyncio.Queue[Event] = asyncio.Queue()

    async def next(self) -> Event:
        return await asyncio.wait_for(self.events.get(), 5)


@asynccontextmanager
async def inbox(path: Path) -> AsyncIterator[Inbox]:
    box = Inbox()
    transport = notify.Inbox(path, box.events.put_nowait)
    await transport.open()
    try:
        yield box
    finally:
        transport.close()


@pytest.mark.parametrize("mask", [0o000, 0o777], ids=oct)
async def test_its_socket_is_its_owners_and_the_umask_left_alone(
    folder: Path, monkeypatch: pytest.MonkeyPatch, mask: int
) -> None:
    """That is one for the process: a thread that creates a file meanwhile would lose rights."""
    asked: list[int] = []
    previous = os.umask(mask)
    monkeypatch.setattr(os, "umask", asked.append)
    try:
        async with inbox(folder / "notify.sock"):
            mode = stat.S_IMODE((folder / "notify.sock").stat().st_mode)
    finally:
        monkeypatch.undo()
        os.umask(previous)
    assert (mode, asked) == (0o600, [])


def send(path: Path, *datagrams: bytes) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        for datagram in datagrams:
            sender.sendto(datagram, str(path))


async def test_a_worker_tells_progress_and_readiness(folder: Path) -> None:
    """By the worker's own notifier."""
    path = folder / "notify.sock"
    async with inbox(path) as box:
        worker = Notifier("blue-1", {"NOTIFY_SOCKET": str(path)})
        worker.progress("loading 42 %")
        assert await box.next() == WorkerProgressed("blue-1", "loading 42 %")
        await asyncio.to_thread(worker.ready)
        assert await box.next() == WorkerProgressed("blue-1", "ready")
        assert await box.next() == WorkerReady("blue-1")


async def test_messages_of_several_workers_are_kept_apart(folder: Path) -> None:
    """Each names its sender."""
    path = folder / "notify.sock"
    async with inbox(path) as box:
        send(path, b"STATUS=a\nX_MODELSVC_WORKER=blue-1", b"READY=1\nX_MODELSVC_WORKER=green-2\n")
        assert [await box.next(), await box.next()] == [WorkerProgressed("blue-1", "a"), WorkerReady("green-2")]


async def test_nonsense_is_passed_over(folder: Path) -> None:
    """The next message is heard."""
    path = folder / "notify.sock"
    async with inbox(path) as box:
        send(path, b"", b"\xff\x00\xfe", b"READY=1", b"X_MODELSVC_WORKER=\nREADY=1", b"STATUS=ok\nX_MODELSVC_WORKER=w")
        assert await box.next() == WorkerProgressed("w", "ok")
        assert box.events.empty()


@pytest.mark.parametrize(
    ("datagram", "events"),
    [
        (b"X_MODELSVC_WORKER=w\nREADY=0", []),
        (b"X_MODELSVC_WORKER=w\nWATCHDOG=1\nMAINPID=4\nno equals sign", []),
        (b"X_MODELSVC_WORKER=w\nSTATUS=50 % = half", [WorkerProgressed("w", "50 % = half")]),
        (b"X_MODELSVC_WORKER=w\nSTATUS=", [WorkerProgressed("w", "")]),
        (b"X_MODELSVC_WORKER=w\r\nSTATUS=\xc3\xa4\xff", [WorkerProgressed("w", "\u00e4\ufffd")]),
        (b"READY=1\nSTATUS=up\nX_MODELSVC_WORKER=w", [WorkerProgressed("w", "up"), WorkerReady("w")]),
    ],
)
def test_what_a_message_says(datagram: bytes, events: list[Event]) -> None:
    """Lines nobody asked for are passed over, as the protocol demands."""
    assert parse(datagram) == events


async def test_only_the_owner_may_announce(folder: Path) -> None:
    """And what an earlier supervisor left at the path is replaced."""
    path = folder / "notify.sock"
    async with inbox(path):
        pass
    assert path.exists()
    async with inbox(path) as box:
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0
        send(path, b"READY=1\nX_MODELSVC_WORKER=w")
        assert await box.next() == WorkerReady("w")


async def test_a_path_that_is_too_long_is_an_error_that_says_so(folder: Path) -> None:
    """With its length, the limit, and what to set."""
    path = folder / ("x" * 104)
    with pytest.raises(ConfigError, match=r"bytes, but the system allows 103: set MODELSVC_HOME") as caught:
        notify.Inbox(path, print)
    assert caught.value.code == "socket_path_too_long"
