"""What the machine can still give, with cgroups laid out as the kernel shows them."""

from pathlib import Path

import psutil
import pytest

from supervisor.memory.machine import available, limit

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


def lay(group: Path, maximum: str, current: int, file: int = 0) -> None:
    (group / "memory.max").write_text(f"{maximum}\n")
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


def lay_v1(group: Path, maximum: int, used: int, file: int) -> None:
    group.mkdir(parents=True, exist_ok=True)
    (group / "memory.limit_in_bytes").write_text(f"{maximum}\n")
    (group / "memory.usage_in_bytes").write_text(f"{used}\n")
    (group / "memory.stat").write_text(f"inactive_file 0\ntotal_inactive_file {file}\ntotal_active_file 0\n")


V1_NO_LIMIT = 9223372036854771712
HYBRID = "5:devices:/\n4:memory:{}\n0::/elsewhere\n"


def test_a_container_finds_its_limit_at_the_root(tree: Path) -> None:
    """It sees its own cgroup as the root, in a namespace of version 2."""
    (tree / "own").write_text("0::/\n")
    lay(tree / "cgroup", str(90 * MB), 50 * MB, file=20 * MB)

    found = available(tree / "cgroup", tree / "own")

    assert (found.available_bytes, found.source) == (60 * MB, "the cgroup /")
    assert limit(tree / "cgroup", tree / "own") == 90 * MB


def test_version_1_counts_where_it_controls_the_memory(tree: Path) -> None:
    """Also beside version 2; its way to say that there is no limit is one."""
    (tree / "own").write_text(HYBRID.format("/pod/service"))
    memory = tree / "cgroup/memory"
    lay_v1(memory, V1_NO_LIMIT, 80 * MB, 0)
    lay_v1(memory / "pod", 100 * MB, 70 * MB, 10 * MB)
    lay_v1(memory / "pod/service", V1_NO_LIMIT, 60 * MB, 10 * MB)

    found = available(tree / "cgroup", tree / "own")

    assert (found.available_bytes, found.source) == (40 * MB, "the cgroup pod")
    assert limit(tree / "cgroup", tree / "own") == 100 * MB


def test_a_container_of_version_1_is_told_the_hosts_path(tree: Path) -> None:
    """Which is not there; its own cgroup is mounted as the root."""
    (tree / "own").write_text(HYBRID.format("/engine/0123abc"))
    lay_v1(tree / "cgroup/memory", 90 * MB, 50 * MB, 20 * MB)

    assert available(tree / "cgroup", tree / "own").available_bytes == 60 * MB
    assert limit(tree / "cgroup", tree / "own") == 90 * MB


@pytest.mark.parametrize("own", ["1:cpu:/old\n", "1:memory:/old\n", "", None])
def test_no_cgroup_of_the_memory_is_no_limit(tree: Path, own: str | None) -> None:
    """One of something else, one that is not mounted, none at all, or a system that has none."""
    if own is None:
        (tree / "own").unlink()
    else:
        (tree / "own").write_text(own)
    assert available(tree / "cgroup", tree / "own").source == "the machine"
    assert limit(tree / "cgroup", tree / "own") is None
