"""Ports that nobody else takes while one has them, other runs of tests and load tests on this machine included."""

import fcntl
import os
import random
import socket
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
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
            with suppress(OSError):
                held[port] = _reserve(port)
            if len(held) == count:
                break
        yield list(held)
    finally:
        for lock in held.values():
            Path(lock.name).unlink()
            lock.close()
        with suppress(OSError):
            _folder().rmdir()


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now; whoever is quicker may get them."""
    with ExitStack() as stack:  # all at once, so that they differ
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]


def free_port() -> int:
    return free_ports(1)[0]


def is_free(port: int) -> bool:
    """Whether nobody listens on the port of the loopback interface."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with suppress(OSError):
            probe.bind(("127.0.0.1", port))
            probe.listen()
            return True
    return False


def _reserve(port: int) -> TextIO:
    """Hold the port's lock file. Raises OSError when somebody else has the lock or the port."""
    _folder().mkdir(mode=0o700, exist_ok=True)
    path = _folder() / str(port)
    lock = path.open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if path.stat().st_ino != os.fstat(lock.fileno()).st_ino or not is_free(port):
            raise BlockingIOError(f"port {port} is in use")
    except OSError:
        lock.close()
        raise
    return lock


def _folder() -> Path:
    return Path(tempfile.gettempdir()) / f"modelsvc-test-ports-{os.getuid()}"
