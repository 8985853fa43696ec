"""Ports that nobody else takes while a test has them, other test runs on this machine included."""

import fcntl
import os
import random
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

# Below the ranges that systems give out by themselves (Linux from 32768, macOS from 49152).
RANGE = range(20_000, 32_000)


@contextmanager
def reserved_ports(count: int) -> Iterator[list[int]]:
    """`count` free ports; other users of this function cannot get them meanwhile."""
    held: dict[int, TextIO] = {}
    try:
        for port in random.sample(RANGE, len(RANGE)):
            if (lock := _reserve(port)) is not None:
                held[port] = lock
            if len(held) == count:
                break
        yield list(held)
    finally:
        for lock in held.values():
            lock.close()


def is_free(port: int) -> bool:
    """Whether nobody listens on the port of the loopback interface."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with suppress(OSError):
            probe.bind(("127.0.0.1", port))
            probe.listen()
            return True
    return False


def _reserve(port: int) -> TextIO | None:
    folder = Path(tempfile.gettempdir()) / f"modelsvc-test-ports-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    lock = (folder / str(port)).open("w")
    with suppress(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if is_free(port):
            return lock
    lock.close()
    return None
