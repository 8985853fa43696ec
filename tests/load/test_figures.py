"""The statistics of load tests, by their definitions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from loadtest.report.figures import Reason, figures, per_second, percentile, rate, reasons
from tests.load.samples import record

SECONDS = st.floats(0, 1e6, allow_subnormal=False)


@pytest.mark.parametrize(
    ("share", "expected"), [(0.01, 15), (0.05, 15), (0.30, 20), (0.40, 20), (0.50, 35), (0.99, 50), (1.00, 50)]
)
def test_a_percentile_is_a_value_that_was_measured(share: float, expected: float) -> None:
    """The textbook's example of nearest rank."""
    assert percentile([50, 15, 35, 20, 40], share) == expected


@given(st.lists(SECONDS, min_size=1, max_size=200), st.integers(1, 100))
def test_percentiles_are_those_of_the_inverted_distribution(values: list[float], percent: int) -> None:
    """As numpy defines them, for whole percents of any values."""
    assert percentile(values, percent / 100) == np.percentile(values, percent, method="inverted_cdf")


def test_a_share_is_not_asked_for_one_rank_too_many() -> None:
    """0.07 * 100 is 7.000000000000001 in floating point."""
    assert percentile(range(1, 101), 0.07) == 7


@pytest.mark.parametrize("share", [0.0, -0.1, 1.01])
def test_what_is_no_share_is_refused(share: float) -> None:
    """95 for 0.95 must not pass for the largest value."""
    with pytest.raises(ValueError, match="share"):
        percentile([1.0], share)


def test_latency_is_that_of_right_answers() -> None:
    """A refusal comes fast; that must not flatter."""
    found = figures([record(latency_s=2.0), record(latency_s=4.0), record(latency_s=0.001, failure="HTTP 500")])

    assert (found.requests, found.failed) == (3, 1)
    assert (found.p50_s, found.p95_s, found.slowest_s) == (2.0, 4.0, 4.0)


def test_times_of_streams_are_those_of_all_that_had_any() -> None:
    """Gaps of all streams are taken together; a cut stream's count, too."""
    cut = record(first_token_s=0.3, gaps_ms=(50.0,), failure="cut")
    found = figures([record(), record(first_token_s=0.1, gaps_ms=(10.0, 20.0)), cut])

    assert (found.first_token_p50_s, found.first_token_p95_s) == (0.1, 0.3)
    assert (found.gap_p50_ms, found.gap_longest_ms) == (20.0, 50.0)


def test_of_nothing_nothing_is_told() -> None:
    """No measurement is no 0."""
    found = figures([])

    assert (found.requests, found.failed, found.p50_s, found.slowest_s, found.gap_p95_ms) == (0, 0, None, None, None)


def test_a_request_counts_in_the_second_in_which_it_ended() -> None:
    """Also one that began before; none counts twice, and those beyond the interval not at all."""
    ended = [record(9.5, 1.0), record(10.0, 0.9), record(11.0, 1.5), record(12.9, 5.0)]

    assert per_second(ended, 10.0, 13.5) == [2, 0, 1]
    assert per_second(ended, 10.0, 13.5, width_s=1.5) == [2 / 1.5, 1 / 1.5]
    assert rate(ended, 10.0, 13.0) == 1.0


def test_the_rate_of_no_time_is_none() -> None:
    """An operation may end at once."""
    assert rate([record()], 5.0, 5.0) == 0.0


def test_reasons_are_told_by_how_often() -> None:
    """What differs from one failure to the next does not part them; one is told in full."""
    failures = [record(failure=text) for text in ("cut", "HTTP 500: oh", "HTTP 500: ah")]

    assert reasons([record(), *failures]) == [Reason("HTTP 500", 2, "HTTP 500: oh"), Reason("cut", 1, "cut")]
