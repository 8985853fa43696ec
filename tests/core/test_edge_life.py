"""nginx: kept up, with growing pauses, whatever the deployments do."""

import pytest
from tests.core.world import BLUE, World, booting, first, names, records

from supervisor.core import effects as fx
from supervisor.core import events as ev
from supervisor.core.lifecycle import Phase
from supervisor.core.records import EdgeChanged
from supervisor.core.state import EdgePhase, Outcome, Policy
from supervisor.core.steps import Step

PATIENT = Policy(restart_delay_s=1, restart_delay_limit_s=10, stable_after_s=60)


def end_and_return(world: World) -> float:
    """nginx ends, and its restart comes; the pause between."""
    world.tell(ev.EdgeEnded("nginx ended with code 1"))
    pause = world.timers(ev.EdgeRestartDue)[-1]
    world.tell(pause.event)
    world.play()
    return pause.delay_s


def test_a_start_and_an_end_are_recorded() -> None:
    """With what a later supervisor needs to find it, and why it ended."""
    world = booting()
    world.tell(ev.Started())
    world.answers.clear()
    assert EdgeChanged(7, 70.5) in records(world.tell(ev.EdgeStarted(7, 70.5)))
    assert EdgeChanged(None, reason="killed") in records(world.tell(ev.EdgeEnded("killed")))


def test_an_nginx_that_ends_is_started_again_with_growing_pauses() -> None:
    """Up to a limit; workers and route stay as they are."""
    world = first(PATIENT)
    assert [end_and_return(world) for _ in range(6)] == [1, 2, 4, 8, 10, 10]
    assert (world.state.edge, world.state.active, world.slot(BLUE).phase) == (EdgePhase.RUNNING, BLUE, Phase.READY)


def test_an_nginx_that_cannot_start_is_tried_again() -> None:
    """Its config may have been mended, or its port freed."""
    world = booting(PATIENT)
    for pause in (1, 2, 4):
        world.tell(world.timers(ev.EdgeRestartDue)[-1].event if world.effects else ev.Started())
        world.answers.clear()
        assert fx.After(pause, ev.EdgeRestartDue(pause.bit_length())) in world.tell(ev.EdgeEnded("config rejected"))

    world.tell(world.timers(ev.EdgeRestartDue)[-1].event)
    world.play()
    assert world.ended("boot").outcome is Outcome.SUCCEEDED


def test_a_stable_nginx_is_forgiven_its_ends() -> None:
    """The next pause is the first again."""
    world = first(PATIENT)
    end_and_return(world)
    timer = world.timers(ev.EdgeStable)[-1]
    assert timer.delay_s == 60
    world.tell(timer.event)

    assert end_and_return(world) == 1


def test_an_earlier_nginxs_stability_is_not_its_own() -> None:
    """A crash loop slower than its pauses still slows down."""
    world = first(PATIENT)
    end_and_return(world)
    earlier = world.timers(ev.EdgeStable)[-1].event
    end_and_return(world)
    world.tell(earlier)

    assert end_and_return(world) == 4


def test_a_timer_of_an_earlier_end_starts_nothing() -> None:
    """One nginx at a time."""
    world = first(PATIENT)
    world.tell(ev.EdgeEnded("killed"))
    due = world.timers(ev.EdgeRestartDue)[-1].event
    world.tell(due)
    assert world.tell(due) == []
    world.play()
    assert world.tell(due) == []


@pytest.mark.parametrize("step", [step for step in Step if step < Step.RECORD], ids=lambda step: step.key)
def test_a_deployment_outlives_an_nginx_that_comes_back(step: Step) -> None:
    """Its steps ask nginx and fail by themselves where they must: its end alone decides nothing."""
    world = first()
    world.deploy()
    world.play(to=step)
    effects = world.tell(ev.EdgeEnded("killed"))
    assert names(effects) == []
    assert world.at(step)
    world.tell(world.timers(ev.EdgeRestartDue)[-1].event)
    world.play()

    assert world.ended("d").outcome is Outcome.SUCCEEDED
    assert world.state.edge is EdgePhase.RUNNING
