"""What counts as failed, what became of an operation, and where results are found."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from loadtest.report.canvas import labels
from loadtest.report.pages import headline, markdown
from loadtest.report.summary import summary, verdict
from loadtest.report.tables import number
from loadtest.report.write import write
from loadtest.rig import folders
from loadtest.rig.errors import Misuse
from loadtest.rig.operate import Told, operation
from loadtest.rig.values import Kind
from tests.load.samples import DEPLOY, record, run

STEP = {"number": 1, "name": "check_active", "title": "active worker answers", "detail": "", "evidence": {}}


def step(state: str, seconds: float | None = None) -> dict[str, Any]:
    return STEP | {"state": state, "seconds": seconds}


def test_a_run_in_which_nothing_failed_has_no_verdict() -> None:
    assert verdict(run(DEPLOY), requests=10, failed=0) == ()


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (verdict(run(DEPLOY), 10, 1), "1 of 10 requests failed"),
        (verdict(run(DEPLOY), 0, 0), "0 of 0 requests failed"),
        (verdict(run(replace(DEPLOY, outcome="rolled_back", exit_code=1, reason="slow")), 10, 0), "rolled_back; slow"),
        (verdict(run(replace(DEPLOY, outcome="", exit_code=4, reason="too big")), 10, 0), "exit code 4; too big"),
        (verdict(run(DEPLOY, problems=("Locust ended by itself",)), 10, 0), "Locust ended by itself"),
    ],
)
def test_whatever_failed_is_told(found: tuple[str, ...], told: str) -> None:
    """A request, an operation, the test itself; and a run that asked nothing has shown nothing."""
    assert len(found) == 1 and told in found[0]


def test_what_others_deploy_is_their_affair() -> None:
    """Traffic is judged by its requests alone."""
    failed = replace(DEPLOY, outcome="rolled_back", exit_code=1)

    assert verdict(run(failed, kind=Kind.TRAFFIC), 10, 0) == ()


def test_an_operation_is_what_its_events_tell() -> None:
    """It began when it was accepted, a step when it was told to run; times are of when we heard of it."""
    told: list[Told] = [
        (21.0, {"event": "accepted", "kind": "deploy", "steps": [step("pending")]}),
        (21.5, {"event": "step", "step": step("running")}),
        (22.0, {"event": "step", "step": step("done", 0.4)}),
        (23.0, {"event": "finished", "outcome": "succeeded", "reason": "", "steps": [step("done", 0.4)]}),
    ]
    found = operation("modelsvc ctl deploy", 20.0, 24.0, 0, told)

    assert (found.kind, found.began_s, found.ended_s, found.succeeded) == ("deploy", 21.0, 23.0, True)
    assert [(each.name, each.state, each.seconds, each.began_s) for each in found.steps] == [
        ("check_active", "done", 0.4, 21.5)
    ]


def test_an_operation_that_was_refused_has_its_reason() -> None:
    refused = {"error": {"type": "refused", "message": "nothing is prewarmed", "code": "not_prewarmed"}}
    found = operation("modelsvc ctl deploy --fast", 20.0, 24.0, 4, [(22.0, refused)])

    assert (found.kind, found.began_s, found.ended_s, found.steps) == ("deploy", 20.0, 24.0, ())
    assert (found.succeeded, found.reason) == (False, "nothing is prewarmed")


def test_the_report_tells_failures_by_reason_and_phase() -> None:
    """Whatever text a reason has, the table stays a table."""
    requests = [record(11), record(21, failure="a | b\nc"), record(31, failure="a | b\nc")]
    found = summary(run(DEPLOY), requests, {})
    text = markdown(run(DEPLOY), found, {})

    assert headline(run(DEPLOY), found) == "2 of 3 requests failed; deploy succeeded after 10.0 s"
    assert "| 2 | a \\| b c |" in text
    assert [(phase.name, phase.figures.failed) for phase in found.phases] == [
        ("before", 0),
        ("during deploy", 1),
        ("after", 1),
    ]


def test_a_run_in_which_nobody_asked_has_a_report(tmp_path: Path) -> None:
    """Locust may not even have begun: then that is what it tells."""
    folders.write_run(tmp_path, run(DEPLOY, problems=("Locust recorded nothing",)))

    assert write(tmp_path).verdict == ("0 of 0 requests failed", "Locust recorded nothing")
    assert "- Locust recorded nothing" in (tmp_path / "report.md").read_text()
    assert "Locust recorded nothing" in (tmp_path / "report.html").read_text()


def test_steps_that_begin_together_share_a_label() -> None:
    assert labels([(1.0, 1), (1.5, 2), (5.0, 3)], near=1.0) == [(1.25, "1-2"), (5.0, "3")]


@pytest.mark.parametrize(
    ("value", "told"), [(None, ""), (0.0, "0"), (0.01234, "0.0123"), (99.94, "99.9"), (1234.5, "1,234")]
)
def test_numbers_have_the_digits_that_matter(value: float | None, told: str) -> None:
    assert number(value) == told


def test_results_are_found_by_name_by_path_or_as_the_latest(tmp_path: Path) -> None:
    """Two of one second are two folders; a monitored deployment is no load test."""
    first, second = folders.new(tmp_path, "deploy"), folders.new(tmp_path, "deploy")
    assert first != second
    with pytest.raises(Misuse, match="no results"):
        folders.chosen(tmp_path, "")

    folders.write_run(first, run(DEPLOY))
    folders.new(tmp_path, "monitored")
    assert folders.chosen(tmp_path, "") == folders.chosen(tmp_path, first.name) == first
    assert folders.chosen(tmp_path, str(first)) == first
    assert folders.read_run(first) == run(DEPLOY)
    with pytest.raises(Misuse, match="make results"):
        folders.chosen(tmp_path, "yesterday")
