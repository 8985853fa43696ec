"""Judging the new colour by what it tells of itself."""

from typing import Any

import pytest

from supervisor.core.bake import Baseline, BreachKind, Limits, Look, Timing, breach, counts, unjudged

LIMITS = Limits()


def timings(first_s: float, between_s: float | None = 0.02, n: int = 5, age_s: float = 1.0) -> tuple[Timing, ...]:
    return (Timing(age_s, first_s, between_s),) * n


def told(**changes: Any) -> dict[str, Any]:
    return {"requests": {"in_flight": 2, "total": 10, "failed": 1}, **changes}


@pytest.mark.parametrize(
    ("answered", "failed", "breached"),
    [(5, 5, True), (4, 4, False), (100, 5, False), (100, 6, True), (20, 0, False)],
)
def test_errors_since_the_switch(answered: int, failed: int, breached: bool) -> None:
    """Above the allowed share, of enough requests; what was before does not count."""
    baseline = Baseline(new=Look(answered=50, failed=40))
    now = Look(answered=50 + answered, failed=40 + failed)
    assert counts(baseline, now) == (answered, failed)
    found = breach(baseline, now, 1.0, LIMITS)
    assert (found.kind if found else None) == (BreachKind.ERRORS if breached else None)


@pytest.mark.parametrize(
    ("before", "after", "what"),
    [
        (timings(0.2), timings(0.59), ""),
        (timings(0.2), timings(0.61), "first token: median 0.610 s, 0.200 s before"),
        (timings(0.01), timings(0.2), ""),  # twenty times, but nobody would notice
        (timings(0.2, 0.05), timings(0.2, 0.2), "time between tokens: median 0.200 s"),
        (timings(0.2, None), timings(0.2, 9.0), ""),
        (timings(0.2, n=4), timings(9.0), ""),
        (timings(0.2), timings(9.0, n=4), ""),
        (timings(0.2), timings(9.0, age_s=3.0), ""),  # came before the bake
    ],
)
def test_latency_against_the_old_colours(before: tuple[Timing, ...], after: tuple[Timing, ...], what: str) -> None:
    """By ratio and by what can be noticed, with enough samples on both sides, of requests of the bake only."""
    found = breach(Baseline(old=Look(timings=before)), Look(timings=after), 2.0, LIMITS)
    assert (found is None) == (not what)
    assert found is None or (found.kind is BreachKind.LATENCY and found.text.startswith(what))


@pytest.mark.parametrize(
    ("old_bytes", "new_bytes", "between_s", "breached"),
    [
        (1_000, 4_000, 1.1, False),  # 3 times for 4 times the bytes: 12 times are allowed ...
        (1_000, 4_000, 1.3, True),  # ... and no more
        (4_000, 1_000, 0.31, True),  # a smaller one has 3 times, too
        (4_000, 1_000, 0.29, False),
        (0, 4_000, 0.31, True),  # nobody told how large the old one was
        (1_000, 0, 0.31, True),
    ],
)
def test_a_larger_model_may_be_slower_in_proportion(
    old_bytes: int, new_bytes: int, between_s: float, breached: bool
) -> None:
    """Each token reads all of the weights."""
    old = Look(timings=timings(0.1, 0.1), model_bytes=old_bytes)
    now = Look(timings=timings(0.1, between_s), model_bytes=new_bytes)
    found = breach(Baseline(old=old), now, 2.0, LIMITS)
    assert (found is not None) == breached
    assert not found or ("4 times as large" in found.text) == (0 < old_bytes < new_bytes)


def test_latency_that_is_not_judged_says_why() -> None:
    """Switched off, or too few samples."""
    slow, baseline = Look(timings=timings(9.0)), Baseline(old=Look(timings=timings(0.1)))
    off = Limits(max_latency_ratio=0.0)
    assert breach(baseline, slow, 2.0, off) is None
    assert "bake_max_latency_ratio is 0" in unjudged(baseline, slow, 2.0, off)
    assert "0 answer(s) in the bake and 5 before" in unjudged(baseline, Look(), 2.0, LIMITS)
    assert "5 answer(s) in the bake and 0 before" in unjudged(Baseline(), slow, 2.0, LIMITS)
    assert unjudged(baseline, slow, 2.0, LIMITS) == ""


@pytest.mark.parametrize(
    ("stalled_s", "prefilling", "breached"),
    [(4.9, False, False), (5.1, False, True), (59.0, True, False), (61.0, True, True)],
)
def test_a_stall(stalled_s: float, prefilling: bool, breached: bool) -> None:
    """A long prompt gets more time."""
    found = breach(Baseline(), Look(stalled_s=stalled_s, prefilling=prefilling), 1.0, LIMITS)
    assert (found is not None) == breached
    assert found is None or (found.kind is BreachKind.STALL and "no decode progress" in found.text)


def test_what_a_worker_tells_is_read() -> None:
    """Requests still in flight are not answered yet."""
    latency = {"recent": [[2.5, 0.1, None], [1, 0.2, 0.03]]}
    engine = {"last_decode_age_s": 1.5, "prefilling": True}
    assert Look.from_health(told(engine=engine, latency=latency, model={"size_bytes": 7})) == Look(
        8, 1, (Timing(2.5, 0.1, None), Timing(1.0, 0.2, 0.03)), 1.5, True, 7
    )
    assert Look.from_health(told(engine=None)) == Look(8, 1)


@pytest.mark.parametrize(
    "nonsense",
    [None, {}, {"requests": 5}, told(latency={"recent": [[1]]}), told(latency={"recent": [["a", "b", "c"]]})],
)
def test_nonsense_is_no_look(nonsense: dict[str, Any] | None) -> None:
    """Nothing is concluded from it."""
    assert Look.from_health(nonsense) is None
