"""What changed between two scrapes."""

import pytest
from loadtest.exposition import Change, Series, changes, parse
from loadtest.rig.edge_count import Counts, growth

BEFORE = """\
# TYPE a_requests_total counter
a_requests_total{code="200",route="/chat"} 5.0
a_requests_total{code="500",route="/chat"} 1.0
# TYPE a_seconds histogram
a_seconds_bucket{le="+Inf"} 4.0
a_seconds_count 4.0
a_seconds_sum 1.5
# TYPE a_state gauge
a_state{color="blue"} 1.0
a_state{color="green"} 0.0
"""
AFTER = """\
# TYPE a_requests_total counter
a_requests_total{route="/chat",code="200"} 8.0
a_requests_total{code="500",route="/chat"} 1.0
a_requests_total{code="503",route="/chat"} 2.0
# TYPE a_seconds histogram
a_seconds_bucket{le="+Inf"} 7.0
a_seconds_count 7.0
a_seconds_sum 2.0
# TYPE a_state gauge
a_state{color="blue"} 1.0
a_state{color="green"} 1.0
"""


def told(found: list[Change]) -> dict[str, list[float | None]]:
    return {str(change.series): [change.before, change.after, change.grown_by] for change in found}


def test_of_the_same_process_the_difference_is_told() -> None:
    """Of what changed: growth of counters and sums, gauges as they were and are. Labels have no order."""
    assert told(changes(parse(BEFORE), parse(AFTER), same_process=True)) == {
        'a_requests_total{code="200",route="/chat"}': [5, 8, 3],
        'a_requests_total{code="503",route="/chat"}': [None, 2, 2],
        "a_seconds_count": [4, 7, 3],
        "a_seconds_sum": [1.5, 2.0, 0.5],
        'a_state{color="green"}': [0, 1, None],
    }


def test_another_process_counts_from_nothing() -> None:
    """Also where it has counted more than the one before."""
    found = told(changes(parse(BEFORE), parse(AFTER), same_process=False))

    assert found['a_requests_total{code="200",route="/chat"}'] == [5, 8, 8]
    assert found['a_requests_total{code="500",route="/chat"}'] == [1, 1, 1]


def test_a_counter_that_fell_was_begun_anew() -> None:
    found = told(changes(parse(AFTER), parse(BEFORE), same_process=True))

    assert found['a_requests_total{code="200",route="/chat"}'] == [8, 5, 5]
    assert found['a_requests_total{code="503",route="/chat"}'] == [2, None, None]  # gone


def test_what_did_not_change_is_not_told() -> None:
    assert changes(parse(AFTER), parse(AFTER), same_process=True) == []
    assert parse("") == {}
    assert str(Series("up", ())) == "up"


@pytest.mark.parametrize(
    ("before", "after", "grown"),
    [
        ({"blue": 5}, {"blue": 7, "green": 3}, {"blue": 2, "green": 3}),
        ({"blue": 5}, {"blue": 5}, {}),
        ({"blue": 5}, {"blue": 4}, None),  # the supervisor is another one
        ({"blue": 5}, {}, None),
        (None, {"blue": 4}, None),
        ({"blue": 5}, None, None),
    ],
)
def test_what_the_edge_counted_meanwhile_is_known_or_not_told(
    before: Counts | None, after: Counts | None, grown: Counts | None
) -> None:
    assert growth(before, after) == grown


def test_what_is_no_exposition_is_refused() -> None:
    with pytest.raises(ValueError):
        parse("<html>")
