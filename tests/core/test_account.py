"""The memory account: what adds up, what is counted once, and when a standby is refused."""

import pytest

from supervisor.core.account import Account, Holding, Machine, Mapped, Row, judge, models, shared_with, table, total
from supervisor.core.ledger import Forecast

MB, GB = 10**6, 10**9
NEEDS = Forecast(kv_bytes=400 * MB, compute_bytes=100 * MB, base_bytes=100 * MB, weights_bytes=GB)
OLD, NEW = Mapped((1, 7), "old.gguf", 2 * GB), Mapped((1, 8), "new.gguf", GB)
SUPERVISOR, EDGE = Holding("supervisor", 60 * MB), Holding("edge", 40 * MB)
BLUE = Holding("blue", 500 * MB, OLD)
AMPLE = Machine(100 * GB, counts_mapped=True)
STAYING = [SUPERVISOR, EDGE, BLUE]


def test_a_file_is_counted_once_however_many_map_it() -> None:
    """By device and inode, whatever its name; private bytes are summed."""
    linked = Mapped((1, 7), "link.gguf", 2 * GB)
    elsewhere = Mapped((2, 7), "old.gguf", 2 * GB)

    assert total([BLUE, Holding("green", 600 * MB, linked)]) == (1100 * MB + 2 * GB, 2 * GB)
    assert total([BLUE, Holding("green", 600 * MB, elsewhere)]) == (1100 * MB + 4 * GB, 4 * GB)
    assert total(iter([SUPERVISOR, EDGE])) == (100 * MB, 0)
    assert total([]) == (0, 0)
    assert models([BLUE, Holding("green", 0, linked), Holding("x", 0, NEW)]) == [OLD, NEW]
    assert shared_with([BLUE, Holding("green", 1, linked), SUPERVISOR], OLD) == ["blue", "green"]


def test_what_fits_is_admitted_to_the_last_byte() -> None:
    """Supervisor and edge count; weights that are mapped already do not count again."""
    with_new = 60 * MB + 40 * MB + 500 * MB + 2 * GB + GB + 600 * MB
    verdict = judge(NEEDS, NEW, STAYING, [], AMPLE, with_new, GB)
    shared = judge(NEEDS, OLD, STAYING, [], AMPLE, with_new - GB, GB)

    assert verdict.admitted and verdict.account.sum_bytes == with_new
    assert shared.admitted and shared.account.sum_bytes == with_new - GB
    assert not judge(NEEDS, NEW, STAYING, [], AMPLE, with_new - 1, GB).admitted
    assert not judge(NEEDS, OLD, STAYING, [], AMPLE, with_new - GB - 1, GB).admitted


def test_a_refusal_has_a_table_that_adds_up() -> None:
    """Every process, every file once, each part of the standby, the sum, the budget, and what is missing."""
    verdict = judge(NEEDS, NEW, STAYING, [], AMPLE, 4 * GB, GB)

    assert verdict.code == "memory_short"
    assert [(row.what, row.bytes // MB) for row in verdict.account.rows] == [
        ("supervisor", 60),
        ("edge", 40),
        ("blue", 500),
        ("model old.gguf, mapped once", 2000),
        ("standby: weights new.gguf", 1000),
        ("standby: KV cache", 400),
        ("standby: compute", 100),
        ("standby: base", 100),
    ]
    first, *lines = verdict.message.splitlines()
    assert "it would all need 4,200 MB" in first and "memory.budget_gb allows 4,000 MB" in first
    assert "short of 200 MB" in first and "lower model.context_tokens" in first
    assert [line.split()[-2:] for line in lines[-3:]] == [["4,200", "MB"], ["4,000", "MB"], ["200", "MB"]]
    assert len({len(line) for line in lines}) == 1


@pytest.mark.parametrize(("budget", "advised"), [(1_700 * MB, True), (1_700 * MB - 1, False)])
def test_where_it_fits_without_the_old_worker_a_refusal_says_so(budget: int, advised: bool) -> None:
    """And only there: supervisor and edge stay, and the new weights are not mapped yet."""
    verdict = judge(NEEDS, NEW, STAYING, [], AMPLE, budget, GB)

    assert not verdict.admitted
    assert ("deploy with --in-place, lower model.context_tokens" in verdict.message) is advised
    assert verdict.transient is advised, "it may fit in a while, when others hold less"


def test_what_was_measured_before_is_a_row_of_its_own() -> None:
    """So that the table still adds up."""
    corrected = Forecast(400 * MB, 100 * MB, 100 * MB, GB, correction_bytes=-50 * MB)
    account = judge(corrected, OLD, STAYING, [], AMPLE, 9 * GB, GB).account

    assert Row("standby: as measured before", -50 * MB) in account.rows
    assert account.sum_bytes == (60 + 40 + 500 + 2000 + 550) * MB


def test_a_worker_over_its_own_limit_is_refused() -> None:
    """Whatever else there is room for; the table has its parts only."""
    verdict = judge(NEEDS, NEW, STAYING, [], AMPLE, 100 * GB, 600 * MB - 1)

    assert verdict.code == "memory_short"
    assert "memory.worker_limit_gb" in verdict.message and "600 MB" in verdict.message
    assert not verdict.transient
    assert all(row.what.startswith("standby: ") for row in verdict.account.rows)


def test_who_leaves_first_does_not_count() -> None:
    """In place, the worker that serves is stopped before the new one starts, and its file is no longer mapped."""
    in_place = judge(NEEDS, NEW, [SUPERVISOR, EDGE], [BLUE], AMPLE, 1_700 * MB, GB)

    assert in_place.admitted and in_place.account.sum_bytes == 1_700 * MB
    assert not judge(NEEDS, NEW, STAYING, [], AMPLE, 1_700 * MB, GB).admitted


@pytest.mark.parametrize(
    ("available_mb", "counts_mapped", "leaving", "admitted"),
    [
        (1600, False, [], True),  # 600 of its own and 1000 of weights
        (1599, False, [], False),
        (3600, True, [], True),  # the 2000 of old.gguf are in what is available
        (3599, True, [], False),
        (300, False, [Holding("green", 1300 * MB)], True),  # what leaves makes room
        (299, False, [Holding("green", 1300 * MB)], False),
    ],
)
def test_the_machine_must_have_it_too(
    available_mb: int, counts_mapped: bool, leaving: list[Holding], admitted: bool
) -> None:
    """A budget is a wish; what is available counts pages of mapped files on Linux only."""
    machine = Machine(available_mb * MB, counts_mapped, "the cgroup pod")
    verdict = judge(NEEDS, NEW, STAYING, leaving, machine, 100 * GB, GB)

    assert verdict.admitted is admitted
    if not admitted:
        assert verdict.code == "machine_memory_short" and verdict.transient
        assert "what the cgroup pod can give is" in verdict.reason and "short of 1 MB" in verdict.reason


def test_the_table_of_what_fits_tells_what_is_left() -> None:
    """Aligned, in MB."""
    assert table(Account((Row("a", 5 * MB), Row("long", 1500 * MB)), "limit", 2000 * MB)) == [
        "  a              5 MB",
        "  long       1,500 MB",
        "  sum        1,505 MB",
        "  limit      2,000 MB",
        "  left         495 MB",
    ]
