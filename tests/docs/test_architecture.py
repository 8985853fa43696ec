"""The pictures of docs/architecture.md are what the code decides by."""

import re

import pytest
from tools import diagrams

from supervisor.core.lifecycle import Phase
from supervisor.core.steps import Step

PAGE = diagrams.PAGE.read_text()


def test_the_pictures_are_drawn_from_the_code() -> None:
    """Whoever changes the table or the steps runs `make diagrams`."""
    assert diagrams.drawn(PAGE) == PAGE


def test_the_picture_of_a_deployment_has_every_step_once() -> None:
    """In their order."""
    assert [int(number) for number in re.findall(r's\d+\["(\d+) ', diagrams.deployment())] == list(Step)


def test_what_fails_is_taken_back_as_far_as_it_came() -> None:
    """Nothing before the standby is started; the standby; the edge as well once it was switched; nothing at the end."""
    found = re.findall(r'steps(\d+) -\. fails \.-> undo\d+\["(.*)"\]', diagrams.deployment())
    assert [int(first) for first, _ in found] == [Step.CHECK_ACTIVE, Step.START_STANDBY, Step.SWITCH_ROUTE]
    assert found[0][1] == "refused: nothing was changed" and found[2][1].startswith("switch the edge back")


def test_every_state_of_a_slot_is_explained() -> None:
    """In the table below its picture."""
    section = PAGE[PAGE.index("## The life of a worker slot") :]
    assert set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)) == {str(phase) for phase in Phase}


def test_a_page_without_a_place_for_a_picture_is_an_error() -> None:
    """Else it would be missing silently."""
    with pytest.raises(ValueError, match="no place for the picture 'lifecycle'"):
        diagrams.drawn(PAGE.replace("<!-- lifecycle: ", "<!-- other: "))
