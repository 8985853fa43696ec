"""What runs is looked at: a worker that hangs, memory that grows, a route that is not ours."""

import pytest
from tests.core.world import BLUE, GREEN, World, first, names, second

from supervisor.core import effects as fx
from supervisor.core import events as ev
from supervisor.core.lifecycle import Phase
from supervisor.core.records import StepChanged, Warned
from supervisor.core.state import Color, DeploymentKind, Outcome, Policy
from supervisor.core.steps import Step, StepState

LIMITS = Policy(worker_limit_bytes=100, budget_bytes=1000)
HANGS = "no decode progress for 31 s"


def look(world: World, color: Color, times: int = 1, **seen: object) -> None:
    worker = world.slot(color).worker_id or ""
    for _ in range(times):
        world.tell(ev.WorkerSeen(worker, **seen))  # type: ignore[arg-type]


def test_a_worker_that_hangs_is_ended_and_restarted() -> None:
    """Three bad looks in a row; it is then missed like one that crashed, and its end says why."""
    world = first()
    look(world, BLUE, 2, problem=HANGS)
    look(world, BLUE)
    look(world, BLUE, 2, problem=HANGS)
    assert names(world.effects) == []
    look(world, BLUE, 1, problem=HANGS)
    assert names(world.effects) == ["StopWorker"]
    world.play()

    assert world.slot(BLUE).phase is Phase.BACKOFF
    assert HANGS in (world.slot(BLUE).progress or "")
    assert any(isinstance(record, Warned) and HANGS in record.text for record in world.records)


def test_a_worker_that_hangs_is_ended_once() -> None:
    """Its end may take a moment."""
    world = first()
    look(world, BLUE, 9, problem=HANGS)

    assert names(world.effects) == ["StopWorker"]


def test_the_warm_standby_takes_over_from_a_worker_that_hangs() -> None:
    """By the same way as from one that crashed."""
    world = second()
    look(world, GREEN, 3, problem=HANGS)
    world.play()

    assert world.state.active is BLUE
    assert world.ended("failover").outcome is Outcome.SUCCEEDED


def test_a_standby_that_hangs_is_ended() -> None:
    """It could take over nothing, and costs memory."""
    world = second()
    look(world, BLUE, 3, problem=HANGS)
    world.play()

    assert (world.state.active, world.slot(BLUE).phase) == (GREEN, Phase.ABSENT)


def test_the_worker_on_trial_is_left_to_its_deployment() -> None:
    """That looks itself, and knows the way back."""
    world = first()
    world.deploy()
    world.play(to=Step.BAKE)
    world.effects.clear()
    look(world, GREEN, 5, problem=HANGS)

    assert world.effects == []


def test_the_old_worker_is_ended_in_a_deployment_too() -> None:
    """Nobody would be answered while the new one loads; its successor asks again what it had."""
    world = first()
    world.deploy()
    world.play(to=Step.AWAIT_READY)
    look(world, BLUE, 3, problem=HANGS)
    world.play()

    assert world.timers(ev.RestartDue)
    assert world.ended("d").outcome is Outcome.SUCCEEDED


def test_a_new_worker_that_hangs_is_not_drained_for_long() -> None:
    """Going back, it is ended, so that what it has is asked again of the old one."""
    world = first()
    world.deploy()
    world.play(to=Step.BAKE)
    world.answers.clear()
    world.fail("it hangs")
    while names(world.effects)[-1] != "Drain":
        world.tell(world.answers.popleft())
    world.answers.clear()
    look(world, GREEN, 3, problem=HANGS)
    world.play()

    assert world.ended("d").outcome is Outcome.ROLLED_BACK
    assert world.slot(GREEN).phase is Phase.ABSENT


def test_a_standby_over_its_limit_may_finish_what_it_has() -> None:
    """It may have streams from when it was active."""
    world = second(LIMITS)
    look(world, BLUE, 3, private_bytes=101)
    (stop,) = [effect for effect in world.effects if isinstance(effect, fx.StopWorker)]

    assert stop.timeout_s == LIMITS.drain_timeout_s


def test_what_two_workers_hold_in_a_deployment_counts_for_nothing() -> None:
    """It was admitted; the looks begin anew after it."""
    world = first(LIMITS)
    world.deploy()
    for _ in range(5):
        world.tell(ev.MemorySeen(1001))
    world.play()
    world.tell(ev.MemorySeen(1001))

    assert (world.state.over_budget, world.state.deployment) == (1, None)


def test_a_worker_over_its_limit_is_replaced_by_its_own_release() -> None:
    """Without a gap: by a deployment. Once in a while only, for the next may grow as much."""
    world = first(LIMITS)
    look(world, BLUE, 3, private_bytes=101)
    assert world.current.kind is DeploymentKind.REPLACE
    world.play()
    look(world, GREEN, 5, private_bytes=101)

    assert (world.state.active, world.state.active_release) == (GREEN, 1)
    assert world.state.deployment is None
    world.tell(world.timers(ev.ReplacementRested)[0].event)
    look(world, GREEN, 1, private_bytes=101)
    assert world.current.kind is DeploymentKind.REPLACE


def test_a_worker_far_over_its_limit_is_killed_at_once() -> None:
    """Also in a deployment: the machine may have no second left."""
    world = first(LIMITS)
    world.deploy()
    world.play(to=Step.BAKE)
    world.answers.clear()
    world.effects.clear()
    look(world, GREEN, 1, private_bytes=151)
    world.play()

    assert names(world.effects)[0] == "StopWorker"
    assert "far over" in world.ended("d").reason
    assert world.state.active is BLUE


@pytest.mark.parametrize("used", [1000, 1001])
def test_over_the_budget_the_standby_goes_first(used: int) -> None:
    """What is warm only for comfort costs nobody a request."""
    world = second(LIMITS)
    for _ in range(3):
        world.tell(ev.MemorySeen(used))
    world.play()

    assert (world.slot(BLUE).phase is Phase.ABSENT) == (used > 1000)
    assert world.slot(GREEN).serves


def test_over_the_budget_with_one_worker_it_is_replaced_in_place() -> None:
    """Two would need even more."""
    world = first(LIMITS)
    for _ in range(3):
        world.tell(ev.MemorySeen(1001))

    assert (world.current.kind, world.current.in_place) == (DeploymentKind.REPLACE, True)


def test_a_route_that_somebody_changed_is_put_right() -> None:
    """And said."""
    world = first()
    world.tell(ev.RouteSeen(BLUE))
    assert world.effects == []
    world.tell(ev.RouteSeen(None))

    assert fx.Route(BLUE) in world.effects
    assert [record.text for record in world.records if isinstance(record, Warned)] == [
        "the edge routed to nobody instead of to blue: put right"
    ]


def test_a_route_that_is_being_switched_is_left_alone() -> None:
    """The deployment writes it, and asks whether it holds."""
    world = first()
    world.deploy()
    world.tell(ev.RouteSeen(GREEN))

    assert not [effect for effect in world.effects if isinstance(effect, fx.Route)]


def test_a_standby_that_is_being_ended_does_not_get_the_edge() -> None:
    """It was ready at step 5, and far over its limit at step 8; the deployment fails before anybody is sent to it."""
    world = second(LIMITS)
    world.deploy("d")
    world.play(to=Step.TEST_CONFIG)
    look(world, BLUE, private_bytes=151)
    ended = world.answers.pop()
    assert isinstance(ended, ev.WorkerEnded)
    world.play()

    failed = [(r.step, r.detail) for r in world.records if isinstance(r, StepChanged) and r.state is StepState.FAILED]
    assert [step for step, _ in failed] == [Step.SWITCH_ROUTE]
    assert "it holds" in failed[0][1]
    assert not [e for e in world.effects if isinstance(e, fx.SwitchRoute) and e.color is BLUE]
    world.tell(ended)
    world.play()
    assert (world.state.active, world.state.routed, world.slot(BLUE).phase) == (GREEN, GREEN, Phase.ABSENT)
    assert world.ended("d").outcome is Outcome.ROLLED_BACK
