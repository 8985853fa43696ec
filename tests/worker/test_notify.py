"""The sd_notify protocol, as a receiver sees it."""

import socket
from pathlib import Path

import pytest
from tests.worker.harness import listening

from modelsvc.worker.notify import Notifier, address_of


def test_progress_readiness_and_stopping_arrive_with_the_workers_id(folder: Path) -> None:
    """A status is sent once for each change."""
    with listening(folder / "n.sock") as channel:
        notifier = Notifier("w-1", {"NOTIFY_SOCKET": str(folder / "n.sock")})
        notifier.status("loading 1 %")
        notifier.status("loading 1 %")
        notifier.ready()
        notifier.stopping()
        got = [channel.recv(4096).decode().splitlines() for _ in range(5)]
    assert [lines[0] for lines in got] == [
        "STATUS=loading 1 %",
        "READY=1",
        "STATUS=ready",
        "STOPPING=1",
        "STATUS=stopping",
    ]
    assert all(lines[1:] == ["X_MODELSVC_WORKER=w-1"] for lines in got)


def test_a_reason_with_line_breaks_cannot_add_fields(folder: Path) -> None:
    with listening(folder / "n.sock") as channel:
        Notifier("w-1", {"NOTIFY_SOCKET": str(folder / "n.sock")}).status("failed: a\nREADY=1")
        assert channel.recv(4096).decode().splitlines()[0] == "STATUS=failed: a READY=1"


@pytest.mark.parametrize("value", ["", "relative.sock", "vsock:2:1"])
def test_anything_but_a_path_or_abstract_name_is_ignored(value: str) -> None:
    assert address_of({"NOTIFY_SOCKET": value}) is None


def test_abstract_names_are_understood() -> None:
    assert address_of({"NOTIFY_SOCKET": "@name"}) == "\0name"


def test_nobody_listening_is_no_failure(folder: Path) -> None:
    Notifier("w-1", {"NOTIFY_SOCKET": str(folder / "nobody.sock")}).ready()
    Notifier("w-1", {}).ready()


def test_a_full_receiver_does_not_block(folder: Path) -> None:
    """Serving matters more than telling."""
    with listening(folder / "n.sock") as channel:
        channel.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        notifier = Notifier("w-1", {"NOTIFY_SOCKET": str(folder / "n.sock")})
        for number in range(2000):
            notifier.status(f"loading {number} %")
