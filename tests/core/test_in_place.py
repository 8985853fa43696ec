"""A model that does not fit beside the old one: requests are held, the old worker goes, the new one comes.

On failure the old release comes back, and requests are held until it has.
"""

import pytest
from tests.core.world import BLUE, GREEN, World, first, names, second, steps

from supervisor.core import effects as fx
from supervisor.core import events as ev
from supervisor.core.lifecycle import Phase
from supervisor.core.outlook import Outlook, outlook
from supervisor.core.records import RouteChanged
from supervisor.core.state import Change, Color, DeploymentKind, Outcome
from supervisor.core.steps import Step, StepState

BEYOND = [step for step in Step if Step.START_STANDBY < step < Step.RECORD and step is not Step.DRAIN]


def begun(world: World, to: Step) -> World:
    world.tell(ev.DeployRequested("d", Change(), in_place=True))
    world.play(to=to)
    world.effects.clear()
    return world


def routes(effects: list[fx.Effect]) -> list[Color | None]:
    return [effect.color for effect in effects if isinstance(effect, fx.SwitchRoute)]


def test_the_old_worker_goes_before_the_new_one_comes() -> None:
    """Hold, drain, stop, start: never two models in memory, and nothing of the old one's work is cut."""
    world = first()
    world.tell(ev.DeployRequested("d", Change(), in_place=True))
    world.play()

    assert names(world.effects) == [
        *("CheckWorker", "CheckEdge", "Admit"),
        *("SwitchRoute", "Drain", "StopWorker", "CancelStep", "StartWorker"),
        *("CheckWorker", "WarmUp", "WriteConfig", "TestConfig", "SwitchRoute", "VerifyRoute", "Bake", "Tally"),
    ]
    assert routes(world.effects) == [None, GREEN]
    assert world.ended("d").outcome is Outcome.SUCCEEDED
    assert (world.state.active, world.state.previous_release, world.slot(BLUE).phase) == (GREEN, 1, Phase.ABSENT)


def test_the_memory_of_the_old_worker_counts_as_free() -> None:
    """Admission is told that it will be gone."""
    world = first()
    world.tell(ev.DeployRequested("d", Change(), in_place=True))
    world.play(to=Step.ADMIT)

    assert [effect.in_place for effect in world.effects if isinstance(effect, fx.Admit)] == [True]


def test_a_warm_standby_goes_first_of_all() -> None:
    """It is in the way, and requests need not be held for that."""
    world = second()
    world.tell(ev.DeployRequested("d", Change(), in_place=True))
    world.play()
    ordered = [name for name in names(world.effects) if name in ("StopWorker", "SwitchRoute", "StartWorker")]

    assert ordered == ["StopWorker", "SwitchRoute", "StopWorker", "StartWorker", "SwitchRoute"]


def test_requests_are_held_until_the_new_worker_is_switched_to() -> None:
    """They may hope for somebody all the while."""
    world = first()
    world.tell(ev.DeployRequested("d", Change(), in_place=True))
    seen = {}
    for step in (Step.ADMIT, Step.AWAIT_READY, Step.WARM_UP, Step.VERIFY_ROUTE, Step.BAKE):
        world.play(to=step)
        seen[step] = outlook(world.state)

    assert seen == {
        Step.ADMIT: Outlook.SERVES,
        Step.AWAIT_READY: Outlook.COMING,
        Step.WARM_UP: Outlook.COMING,
        Step.VERIFY_ROUTE: Outlook.SERVES,
        Step.BAKE: Outlook.SERVES,
    }


@pytest.mark.parametrize("step", BEYOND, ids=lambda step: step.key)
def test_on_failure_the_old_release_comes_back(step: Step) -> None:
    """The new worker goes first, for both may not fit; the edge follows only when the old one is ready."""
    world = begun(first(), step)
    world.answers.clear()
    world.fail()
    world.play()
    back = [name for name in names(world.effects) if name != "CancelStep"]

    held = ["SwitchRoute", "Drain"] if step >= Step.SWITCH_ROUTE else []
    assert back == [*held, "StopWorker", "StartWorker", "SwitchRoute"]
    assert routes(world.effects)[-1] is BLUE
    assert world.ended("d").outcome is Outcome.ROLLED_BACK
    assert (world.state.active, world.slot(BLUE).release, world.slot(BLUE).serves) == (BLUE, 1, True)
    assert world.slot(GREEN).phase is Phase.ABSENT


def test_a_new_worker_that_cannot_be_spawned_brings_the_old_one_back() -> None:
    """Step 4, with the old worker already gone."""
    world = first()
    world.tell(ev.DeployRequested("d", Change(), in_place=True))
    while world.slot(GREEN).phase is not Phase.STARTING:
        world.tell(world.answers.popleft())
    world.answers.clear()
    world.tell(ev.WorkerSpawnFailed(GREEN, world.slot(GREEN).worker_id or "", "no luck"))
    world.play()

    assert world.ended("d").outcome is Outcome.ROLLED_BACK
    assert world.slot(BLUE).serves and world.state.routed is BLUE


@pytest.mark.parametrize("stage", ["SwitchRoute", "Drain"])
def test_an_old_worker_that_crashes_while_it_is_drained_is_not_missed(stage: str) -> None:
    """It was to go anyway: the new one is started at once."""
    world = first()
    world.tell(ev.DeployRequested("d", Change(), in_place=True))
    while names(world.effects)[-1] != stage:
        world.tell(world.answers.popleft())
    world.crash(BLUE)
    world.play()

    assert world.ended("d").outcome is Outcome.SUCCEEDED
    assert world.slot(BLUE).phase is Phase.ABSENT and not world.timers(ev.RestartDue)


def test_a_hold_that_fails_leaves_the_old_worker_serving() -> None:
    """Nothing was stopped yet."""
    world = first()
    world.tell(ev.DeployRequested("d", Change(), in_place=True))
    while names(world.effects)[-1] != "SwitchRoute":
        world.tell(world.answers.popleft())
    worker = world.slot(BLUE).worker_id
    world.fail("disk full")
    world.play()

    assert world.ended("d").outcome is Outcome.ROLLED_BACK
    assert (world.slot(BLUE).worker_id, world.slot(BLUE).serves, world.state.routed) == (worker, True, BLUE)


def test_an_old_worker_that_had_been_given_up_is_tried_once_more() -> None:
    """The hold failed, nothing else is left, and the deployment must come to an end."""
    world = first()
    for _ in range(world.state.policy.crash_limit + 1):
        world.crash(BLUE)
        if world.slot(BLUE).phase is Phase.BACKOFF:
            world.tell(world.timers(ev.RestartDue)[-1].event)
    assert world.slot(BLUE).phase is Phase.FAILED
    world.effects.clear()
    world.tell(ev.DeployRequested("d", Change(), in_place=True))
    while names(world.effects)[-1:] != ["SwitchRoute"]:
        world.tell(world.answers.popleft())
    world.fail("disk full")
    world.play()

    assert (world.state.deployment, world.ended("d").reason) == (None, "disk full")
    assert world.slot(BLUE).serves and world.state.routed is BLUE


def test_an_old_release_that_does_not_come_back_is_tried_until_it_is_given_up() -> None:
    """Then the deployment failed, and whoever waits at the edge is told."""
    world = begun(first(), Step.WARM_UP)
    world.answers.clear()
    world.fail()
    for _ in range(world.state.policy.crash_limit + 1):
        while world.slot(BLUE).phase is not Phase.STARTING:
            world.tell(world.answers.popleft() if world.answers else world.timers(ev.RestartDue)[-1].event)
        world.crash(BLUE)
    world.play()

    assert world.slot(BLUE).phase is Phase.FAILED
    assert world.ended("d").outcome is Outcome.FAILED
    assert outlook(world.state) is Outlook.GONE


def test_without_an_active_worker_it_is_a_deployment_like_any_other() -> None:
    """There is nothing to make room of."""
    world = World()
    world.tell(ev.DeployRequested("d", Change(), in_place=True))
    world.play()

    assert world.ended("d").outcome is Outcome.SUCCEEDED
    assert routes(world.effects) == [BLUE]


def test_a_rollback_may_be_in_place_too() -> None:
    """Where two do not fit, the way back is the same."""
    world = begun(first(), Step.RECORD)
    world.play()
    world.effects.clear()
    world.tell(ev.SwitchRequested("back", DeploymentKind.ROLLBACK, in_place=True))
    world.play()

    assert world.ended("back").outcome is Outcome.SUCCEEDED
    assert (world.state.active, world.slot(BLUE).release, world.slot(GREEN).phase) == (BLUE, 1, Phase.ABSENT)


def test_the_undo_is_on_record_under_the_steps_it_takes_back() -> None:
    """Bringing the old worker back belongs to step 4, which had stopped it."""
    world = begun(first(), Step.WARM_UP)
    world.answers.clear()
    world.fail()
    world.play()

    assert steps(world.effects) == [
        (Step.WARM_UP, StepState.FAILED),
        *[(Step.START_STANDBY, StepState.UNDONE)] * 2,
    ]


def test_a_hold_that_fails_on_the_way_back_leaves_the_new_worker_serving() -> None:
    """The old one is gone and the edge cannot be told: who is routed to had better be the active one."""
    world = begun(first(), Step.BAKE)
    world.answers.clear()
    world.fail("breach")
    world.fail("disk full")
    world.play()

    assert world.ended("d").outcome is Outcome.FAILED
    assert (world.state.active, world.state.routed) == (GREEN, GREEN)
    routes = [(record.active, record.deployment) for record in world.records if isinstance(record, RouteChanged)]
    assert routes == [(BLUE, 2), (GREEN, 2)]  # by which a later supervisor knows that it stays
    assert outlook(world.state) is Outlook.SERVES
