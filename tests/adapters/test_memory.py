"""What processes hold, told of real ones."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from supervisor.memory.usage import ProcessMemory, file_mapping, measure

MIB = 2**20
SIZE = 16 * MIB
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells clean pages apart")

HOLDER = """
import sys
import mmap
file = open(sys.argv[1], "rb")
how = {"shared": mmap.ACCESS_READ, "copied": mmap.ACCESS_COPY}[sys.argv[2]]
held = mmap.mmap(file.fileno(), 0, access=how)
for page in range(0, len(held), mmap.PAGESIZE):
    held[page]
    if sys.argv[2] == "copied":
        held[page] = 1
own = bytearray(int(sys.argv[3]) or 1)
print("holds", flush=True)
sys.stdin.read()
"""


@contextmanager
def holding(path: Path, how: str, own_bytes: int = 0) -> Iterator[psutil.Process]:
    """A process that maps the file, has touched all of it, and has memory of its own."""
    command = [sys.executable, "-c", HOLDER, str(path), how, str(own_bytes)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdin is not None
        assert process.stdout.readline() == b"holds\n"
        yield psutil.Process(process.pid)
        process.stdin.close()


@pytest.fixture
def weights(folder: Path) -> Path:
    path = folder / "weights.gguf"
    path.write_bytes(os.urandom(SIZE))
    return path


def measured(process: psutil.Process) -> ProcessMemory:
    memory = measure(process)
    assert memory is not None
    return memory


@linux_only
def test_a_mapped_file_is_not_private_even_when_nobody_else_maps_it(weights: Path) -> None:
    """It is in RSS and USS; only memory of its own is private."""
    with holding(weights, "shared") as plain, holding(weights, "shared", own_bytes=SIZE) as rich:
        poor, more = measured(plain), measured(rich)
    with holding(weights, "shared") as alone:
        lonely = measured(alone)

    assert lonely.uss_bytes > lonely.private_bytes + SIZE * 0.9
    assert abs(lonely.private_bytes - poor.private_bytes) < MIB
    assert SIZE * 0.9 < more.private_bytes - poor.private_bytes < SIZE * 1.1
    assert poor.rss_bytes > SIZE
    assert poor.pss_bytes is not None and lonely.pss_bytes is not None
    assert lonely.pss_bytes - poor.pss_bytes > SIZE * 0.4, "two who map it count half of it each"


@linux_only
def test_how_a_file_is_mapped(weights: Path) -> None:
    """By device and inode: resident, and what was written to as private copies."""
    stat = weights.stat()
    identity = (stat.st_dev, stat.st_ino)
    with holding(weights, "shared") as shared, holding(weights, "copied") as copied:
        honest, copy = file_mapping(shared.pid, identity), file_mapping(copied.pid, identity)
        unknown = file_mapping(shared.pid, (stat.st_dev, stat.st_ino + 1))

    assert honest is not None and (honest.resident_bytes, honest.private_copies_bytes) == (SIZE, 0)
    assert copy is not None and copy.private_copies_bytes == SIZE
    assert unknown is not None and unknown.resident_bytes == 0
    assert file_mapping(shared.pid, identity) is None, "it has ended"


def test_who_is_gone_is_left_out(weights: Path) -> None:
    """Not an error: processes vanish while they are looked at."""
    with holding(weights, "shared") as process:
        assert measured(process).rss_bytes > 0
    assert measure(process) is None
    assert measure(None) is None


def test_who_may_not_be_looked_into_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither is that an error."""

    def denied(*_: object, **__: object) -> None:
        raise PermissionError(13, "denied")

    def psutil_denied(_: object) -> None:
        raise psutil.AccessDenied(1)

    monkeypatch.setattr(Path, "read_text", denied)
    monkeypatch.setattr(psutil.Process, "memory_full_info", psutil_denied)
    assert measure(psutil.Process()) is None
    assert file_mapping(os.getpid(), (1, 1)) is None


def test_without_smaps_uss_is_private_and_there_is_no_pss_on_macos(monkeypatch: pytest.MonkeyPatch) -> None:
    """As psutil tells it; Linux's PSS comes along when there is one."""
    monkeypatch.setattr(sys, "platform", "darwin")
    memory = measured(psutil.Process())

    assert memory.private_bytes == memory.uss_bytes > 0
    assert memory.rss_bytes >= memory.uss_bytes


def test_a_group_is_summed() -> None:
    """PSS only when all of it tells."""
    one, other = ProcessMemory(10, 3, 4, 5), ProcessMemory(20, 6, 8, 10)

    assert one.plus(other) == ProcessMemory(30, 9, 12, 15)
    assert one.plus(ProcessMemory(1, 1, 1, None)).pss_bytes is None
