"""What runs is looked at: a worker that hangs, memory that grows, a route that is not ours."""

import pytest
from tests.core.world import BLUE, GREEN, World, first, names, second

from supervisor.core import effects as fx
from supervisor.core import events as ev
from supervisor.core.lifecycle import Phase
from supervisor.core.records import Warned
from supervisor.core.state import Color, DeploymentKind, Outcome, Policy
from supervisor.core.steps import Step

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


def test_a_deployment_under_way_is_not_disturbed() -> None:
    """It looks itself, and may be the way out."""
    world = second()
    world.deploy()
    look(world, GREEN, 5, problem=HANGS)

    assert "StopWorker" not in names(world.effects)


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
