"""Judging gate answers."""

from typing import Any

import pytest

from supervisor.core.gate import SHOWN_CHARACTERS, Answer, Check, Reference, comparable, judge

GOT = Answer("It is Paris.", 4, 0.5, 10.0)
NONE = Reference()


@pytest.mark.parametrize(
    ("asked", "problem"),
    [
        ({}, None),
        ({"expect": "Paris"}, None),
        ({"expect": "paris"}, "expected 'paris' in the answer"),
        ({"pattern": r"P\w+s"}, None),
        ({"pattern": r"^P"}, "expected a match of '^P'"),
        ({"max_first_token_s": 0.5}, None),
        ({"max_first_token_s": 0.4}, "within 0.4 s, it took 0.50 s"),
        ({"min_tokens_per_second": 10.0}, None),
        ({"min_tokens_per_second": 10.5}, "expected 10.5 tokens a second at least, it made 10.00"),
    ],
)
def test_each_check(asked: dict[str, Any], problem: str | None) -> None:
    """What is not asked for is not judged."""
    verdict = judge(Check("?", **asked), GOT, NONE)
    assert bool(verdict.problems) == bool(problem)
    assert problem is None or problem in verdict.problems[0]


@pytest.mark.parametrize(
    ("asked", "transient"),
    [
        ({"expect": "London"}, False),
        ({"min_tokens_per_second": 99.0}, True),
        ({"max_first_token_s": 0.1}, True),
        ({"expect": "London", "min_tokens_per_second": 99.0}, False),
    ],
)
def test_only_a_speed_may_be_another_one_in_a_while(asked: dict[str, Any], transient: bool) -> None:
    """At temperature 0 the text is the same again."""
    assert judge(Check("?", **asked), GOT, NONE).transient is transient


def test_one_token_has_no_speed() -> None:
    """There is no time between one token."""
    assert not judge(Check("?", min_tokens_per_second=5.0), Answer("x", 1, 0.1, 0.0), NONE).problems


@pytest.mark.parametrize("other", [Answer("It is Rome.", 4, 0.5, 10.0), Answer("It is Paris.", 5, 0.5, 10.0)])
def test_the_same_as_the_active_worker(other: Answer) -> None:
    """Text and number of tokens; only where it is asked for."""
    check = Check("?", same_as_active=True)
    assert judge(check, GOT, Reference(Answer(GOT.text, GOT.tokens, 9.0, 1.0))).problems == ()
    assert "expected the active worker's answer" in judge(check, GOT, Reference(other)).problems[0]
    assert judge(Check("?"), GOT, Reference(other)).problems == ()


def test_a_comparison_that_was_skipped_says_why() -> None:
    verdict = judge(Check("?", same_as_active=True), GOT, Reference(why_not="another model"))
    assert (verdict.problems, verdict.evidence()["skipped"]) == ((), "another model")


@pytest.mark.parametrize(
    ("own", "active", "why"), [("a", "a", ""), ("a", "b", "another model"), (None, None, "not tell")]
)
def test_what_can_be_compared(own: object, active: object, why: str) -> None:
    """Two that do not tell their file are not the same."""
    said = comparable(own, active)
    assert (said == "") if not why else why in said


def test_a_reason_has_prompt_expectation_and_answer_in_short() -> None:
    """A long answer does not flood the record."""
    long = Answer("x" * 1000, 500, 0.1, 1.0)
    verdict = judge(Check("Which?", expect="y"), long, NONE)
    assert verdict.reason() == f"gate 'Which?': expected 'y' in the answer; got '{'x' * SHOWN_CHARACTERS}…'"
    assert verdict.evidence()["passed"] is False
