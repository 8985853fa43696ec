"""The small values decisions are made of."""

import pytest
from tests.core.world import BLUE, GREEN, World, first

from supervisor.core import events as ev
from supervisor.core.deployment import step_done
from supervisor.core.events import StepSucceeded
from supervisor.core.state import State
from supervisor.core.steps import TITLES, Step


def test_thirteen_steps_with_a_key_and_a_title_each() -> None:
    """As the design numbers them."""
    assert [int(step) for step in Step] == list(range(1, 14))
    assert set(TITLES) == set(Step)
    assert len({step.title for step in Step}) == 13
    assert (Step.CHECK_ACTIVE.key, Step.SWITCH_ROUTE.key) == ("check_active", "switch_route")


def test_each_colour_is_the_others_other() -> None:
    """Two slots, no third."""
    assert (BLUE.other, GREEN.other) == (GREEN, BLUE)


def test_nothing_is_under_way_at_the_beginning() -> None:
    """To ask for the current deployment then is a defect, and raises."""
    with pytest.raises(ValueError, match="no deployment"):
        step_done(State(), StepSucceeded(1))


def test_an_admission_without_a_release_is_a_defect() -> None:
    """Step 3 must name the release that step 4 starts."""
    world = first()
    world.deploy()
    world.play(to=Step.ADMIT)
    with pytest.raises(ValueError, match="without a release"):
        world.tell(ev.StepSucceeded(world.current.token))


def test_values_are_never_changed() -> None:
    """A decision leaves the state it was made from as it was."""
    world = World()
    before, copy = world.state, repr(world.state)
    world.deploy()

    assert repr(before) == copy
    assert before.slots[BLUE].release is None
