"""Which part of a run a request belongs to."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loadtest.report.phases import intervals, phases, place
from loadtest.rig.values import Kind
from tests.load.samples import DEPLOY, record, run

PREWARM = replace(DEPLOY, kind="prewarm", began_s=15.0, ended_s=18.0)


@pytest.mark.parametrize(
    ("began_s", "ended_s", "phase"),
    [
        (10, 19, "before"),
        (19, 20, "before"),  # over when it was accepted
        (19, 20.1, "during deploy"),  # under way when it was accepted
        (21, 22, "during deploy"),
        (29, 31, "during deploy"),  # begun while it ran
        (5, 50, "during deploy"),  # all the time
        (30, 31, "after"),
        (41, 42, "after"),  # whoever had asked when users were told to stop
    ],
)
def test_whatever_a_deployment_touches_is_its(began_s: float, ended_s: float, phase: str) -> None:
    """So that what is called before and after was touched by none."""
    found = phases([record(began_s, ended_s - began_s)], run(DEPLOY))

    assert [part.name for part in found if part.figures.requests] == [phase]


def test_two_operations_have_a_time_between_them() -> None:
    """A request that touches both is the first one's."""
    records = [record(11, 1), record(16, 1), record(18.5, 1), record(21, 1), record(31, 1), record(17, 5)]
    found = phases(records, run(PREWARM, DEPLOY))

    assert [(part.name, part.figures.requests) for part in found] == [
        ("before", 1),
        ("during prewarm", 2),
        ("between", 1),
        ("during deploy", 1),
        ("after", 1),
    ]


def test_without_an_operation_there_is_one_phase() -> None:
    found = phases([record(), record(39.5, 1)], run(kind=Kind.BASELINE))

    assert [(part.name, part.seconds, part.figures.requests) for part in found] == [("whole run", 30.0, 2)]
    assert found[0].rate_per_s == pytest.approx(1 / 30)  # the second ended later


@given(st.lists(st.tuples(st.floats(0, 60), st.floats(0, 60)), max_size=50))
def test_every_request_belongs_to_exactly_one_phase(times: list[tuple[float, float]]) -> None:
    """None is lost and none counts twice, in all and by class and request."""
    found = phases([record(began_s, latency_s) for began_s, latency_s in times], run(PREWARM, DEPLOY))

    assert sum(part.figures.requests for part in found) == len(times)
    assert sum(each.requests for part in found for each in part.of_requests.values()) == len(times)


def test_quick_questions_do_not_hide_how_long_answers_take() -> None:
    """A phase's latency is told of the model's answers; all requests count as requests."""
    (found,) = phases([record(latency_s=3.0), record(request="GET /healthz", latency_s=0.001)], run(kind=Kind.BASELINE))

    assert (found.figures.requests, found.answers.requests) == (2, 1)
    assert (found.figures.p50_s, found.answers.p50_s) == (0.001, 3.0)


def test_a_run_that_ended_while_it_deployed_has_nothing_after() -> None:
    parts = intervals(10.0, 25.0, [DEPLOY])

    assert (parts[-1].began_s, parts[-1].ended_s) == (30.0, 30.0)
    assert place(record(26, 1), parts) == 1
