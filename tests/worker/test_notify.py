"""The sd_notify protocol, as a receiver sees it."""

import socket
import threading
from pathlib import Path

import pytest
from disposable.waiting import until
from disposable.worker import listening

from modelsvc.worker.notify import Notifier, address_of


def test_progress_readiness_and_stopping_arrive_with_the_workers_id(folder: Path) -> None:
    """Progress is sent once for each change."""
    with listening(folder / "n.sock") as channel:
        notifier = Notifier("w-1", {"NOTIFY_SOCKET": str(folder / "n.sock")})
        notifier.progress("loading 1 %")
        notifier.progress("loading 1 %")
        notifier.ready()
        notifier.stopping()
        got = [channel.recv(4096).decode().splitlines() for _ in range(3)]
    assert got == [
        ["STATUS=loading 1 %", "X_MODELSVC_WORKER=w-1"],
        ["READY=1", "STATUS=ready", "X_MODELSVC_WORKER=w-1"],
        ["STOPPING=1", "STATUS=stopping", "X_MODELSVC_WORKER=w-1"],
    ]


def test_readiness_waits_for_room_in_a_full_queue(folder: Path) -> None:
    """The queue holds few datagrams; progress beyond them is dropped, readiness is not."""
    with listening(folder / "n.sock") as channel:
        notifier = Notifier("w-1", {"NOTIFY_SOCKET": str(folder / "n.sock")})
        for number in range(2000):
            notifier.progress(f"loading {number} %")
        telling = threading.Thread(target=notifier.ready)
        telling.start()
        until(lambda: "READY=1" in received(channel), "readiness arrives")
        telling.join()


def received(channel: socket.socket) -> list[str]:
    try:
        return channel.recv(4096).decode().splitlines()
    except BlockingIOError:
        return []


def test_a_reason_with_line_breaks_cannot_add_fields(folder: Path) -> None:
    with listening(folder / "n.sock") as channel:
        Notifier("w-1", {"NOTIFY_SOCKET": str(folder / "n.sock")}).failed("a\nREADY=1")
        assert channel.recv(4096).decode().splitlines()[0] == "STATUS=failed: a READY=1"


@pytest.mark.parametrize("value", ["", "relative.sock", "vsock:2:1"])
def test_anything_but_a_path_or_abstract_name_is_ignored(value: str) -> None:
    assert address_of({"NOTIFY_SOCKET": value}) is None


def test_abstract_names_are_understood() -> None:
    assert address_of({"NOTIFY_SOCKET": "@name"}) == "\0name"


def test_nobody_listening_is_no_failure(folder: Path) -> None:
    Notifier("w-1", {"NOTIFY_SOCKET": str(folder / "nobody.sock")}).ready()
    Notifier("w-1", {}).ready()
