"""What the machine can still give, with cgroups laid out as the kernel shows them."""

from pathlib import Path

import psutil
import pytest

from supervisor.memory.machine import available

MB = 10**6


@pytest.fixture
def tree(folder: Path) -> Path:
    """A cgroup `pod/service` without limits."""
    (folder / "cgroup").mkdir()
    own = folder / "cgroup" / "pod" / "service"
    own.mkdir(parents=True)
    (folder / "own").write_text("0::/pod/service\n")
    for group in (own, own.parent):
        lay(group, "max", 0)
    return folder


def lay(group: Path, limit: str, current: int, file: int = 0) -> None:
    (group / "memory.max").write_text(f"{limit}\n")
    (group / "memory.current").write_text(f"{current}\n")
    (group / "memory.stat").write_text(f"anon 1\nfile {file}\ninactive_file {file}\nactive_file 0\n")


def test_without_a_limit_it_is_the_machines(tree: Path) -> None:
    """As psutil estimates it."""
    found = available(tree / "cgroup", tree / "own")

    assert found.source == "the machine"
    assert 0 < found.available_bytes <= psutil.virtual_memory().total


def test_the_tightest_cgroup_around_counts(tree: Path) -> None:
    """A parent's limit binds too; file pages are not counted as used, for the kernel drops them first."""
    lay(tree / "cgroup" / "pod" / "service", str(90 * MB), 50 * MB, file=20 * MB)
    inner = available(tree / "cgroup", tree / "own")
    lay(tree / "cgroup" / "pod", str(100 * MB), 70 * MB)
    outer = available(tree / "cgroup", tree / "own")

    assert (inner.available_bytes, inner.source, inner.counts_mapped) == (60 * MB, "the cgroup service", True)
    assert (outer.available_bytes, outer.source) == (30 * MB, "the cgroup pod")


def test_a_cgroup_over_its_limit_can_give_nothing(tree: Path) -> None:
    """And not less than that."""
    lay(tree / "cgroup" / "pod", str(10 * MB), 20 * MB)
    assert available(tree / "cgroup", tree / "own").available_bytes == 0


@pytest.mark.parametrize("own", ["1:memory:/old\n", "", None])
def test_no_cgroup_v2_is_no_limit(tree: Path, own: str | None) -> None:
    """Version 1, none at all, or a system that has none."""
    if own is None:
        (tree / "own").unlink()
    else:
        (tree / "own").write_text(own)
    assert available(tree / "cgroup", tree / "own").source == "the machine"
