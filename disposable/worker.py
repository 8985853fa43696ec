"""A worker as its supervisor would run it: a real process, a release file, a notification socket."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import tomli_w

from disposable.ports import free_port
from modelsvc import __version__


@dataclass
class Worker:
    """`errors` is where its log goes; `notifications` gets what it announces."""

    process: "subprocess.Popen[bytes]"
    port: int
    errors: Path
    notifications: socket.socket

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


AnyWorker = TypeVar("AnyWorker", bound=Worker)


def release_record(model: Path, **settings: Any) -> dict[str, Any]:
    """A release of that file; no worker looks at the checksum while the file is as it was."""
    found = model.stat()
    return {
        "number": 1,
        "created_at": "2026-01-01T00:00:00Z",
        "package_version": __version__,
        "model": {
            "path": str(model),
            "sha256": "ab" * 32,
            "size_bytes": found.st_size,
            "mtime_ns": found.st_mtime_ns,
            "inode": found.st_ino,
        },
        "settings": {
            "context_tokens": 4096,
            "slots": 2,
            "threads": 1,
            "gpu_layers": 0,
            "kv_cache": "f16",
            "queue_limit": 8,
            "allowed_hosts": ["localhost"],
        }
        | settings,
    }


def write_release(folder: Path, record: dict[str, Any]) -> Path:
    path = folder / "release.toml"
    path.write_text(tomli_w.dumps(record))
    return path


def arguments(release: Path, port: int, folder: Path, color: str = "blue", **more: Path) -> list[str]:
    given = {"release": release, "color": color, "port": port, "chat-db": folder / "chat.db", "worker-id": "w-1"}
    given |= {name.replace("_", "-"): value for name, value in more.items()}
    return [sys.executable, "-m", "modelsvc.worker", *(part for k, v in given.items() for part in (f"--{k}", str(v)))]


@contextmanager
def running_worker(
    make: type[AnyWorker], folder: Path, release: Path, port: int | None = None, color: str = "blue", **more: Path
) -> Iterator[AnyWorker]:
    """Started, not yet ready. `more` are further options."""
    port = port or free_port()
    errors = folder / f"{color}.log"
    with listening(folder / f"{color}.sock") as channel, errors.open("wb") as log:
        environment = os.environ | {"NOTIFY_SOCKET": str(channel.getsockname())}
        process = subprocess.Popen(arguments(release, port, folder, color, **more), stderr=log, env=environment)
        try:
            yield make(process, port, errors, channel)
        finally:
            process.kill()
            process.wait()


@contextmanager
def listening(path: Path) -> Iterator[socket.socket]:
    """A notification socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(str(path))
        channel.setblocking(False)
        yield channel
