"""The active worker is down: a warm standby takes over; without one, it is restarted until it is given up."""

from dataclasses import replace

import pytest
from tests.core.world import BLUE, GREEN, World, first, names, second, settled

from supervisor.core import events as ev
from supervisor.core.lifecycle import Phase
from supervisor.core.reconcile import Found, Survivor, reconcile
from supervisor.core.records import Rejected, Warned
from supervisor.core.state import Boot, Change, DeploymentKind, EdgePhase, Outcome, Policy
from supervisor.core.steps import Step


def given_up(world: World) -> World:
    """The active worker crashes as often as it may, and once more."""
    color = world.state.active or BLUE
    world.crash(color)
    for _ in range(world.state.policy.crash_limit):
        if world.slot(color).phase is Phase.FAILED:
            break
        world.tell(world.timers(ev.RestartDue)[-1].event)
        world.crash(color)
    return world


def test_the_warm_standby_takes_over_at_once() -> None:
    """By a deployment like any other, without the steps that start a worker; the crashed one comes back as standby."""
    world = second()
    world.crash(GREEN)
    assert world.current.kind is DeploymentKind.FAILOVER
    world.play()

    assert world.ended("failover").outcome is Outcome.SUCCEEDED
    assert (world.state.active, world.state.routed, world.slot(GREEN).phase) == (BLUE, BLUE, Phase.BACKOFF)
    world.tell(world.timers(ev.RestartDue)[0].event)
    world.play()
    assert (world.state.active, world.slot(GREEN).serves, world.slot(GREEN).release) == (BLUE, True, 2)


def test_a_standby_that_cannot_take_over_is_not_asked_again() -> None:
    """The crashed worker is restarted all the while."""
    world = second()
    world.crash(GREEN)
    world.answers.clear()
    world.fail("it does not answer")
    world.play()

    assert world.ended("failover").outcome is Outcome.REFUSED
    assert (world.state.active, world.state.deployment) == (GREEN, None)
    world.tell(world.timers(ev.RestartDue)[0].event)
    world.play()
    assert world.slot(GREEN).serves


def test_a_standby_that_could_not_take_over_is_asked_again_later() -> None:
    """The moment may have been bad: it must not be out for ever."""
    world = given_up(second_without_luck())
    assert (world.slot(GREEN).phase, world.state.deployment) == (Phase.FAILED, None)
    world.tell(world.timers(ev.TakeoverRested)[-1].event)
    world.play()

    assert world.state.active is BLUE


def second_without_luck() -> World:
    """Green crashed, and blue could not take over just now."""
    world = second(Policy(crash_limit=1))
    world.crash(GREEN)
    world.answers.clear()
    world.fail("bad moment")
    world.tell(world.timers(ev.RestartDue)[-1].event)
    return world


def test_what_was_never_deployed_takes_over_only_in_need() -> None:
    """A restart holds requests as well, and answers with the release that was asked for."""
    world = first(Policy(crash_limit=1))
    world.tell(ev.PrewarmRequested("p", Change()))
    world.play()
    world.crash(BLUE)
    assert world.state.deployment is None
    world.tell(world.timers(ev.RestartDue)[-1].event)
    world.crash(BLUE)
    world.play()

    assert world.slot(BLUE).phase is Phase.FAILED
    assert world.state.active is GREEN


def test_what_was_rolled_back_from_takes_over_only_in_need() -> None:
    """It is warm, but was found wanting."""
    world = second()
    world.switch(DeploymentKind.ROLLBACK)
    world.play()
    world.crash(BLUE)

    assert (world.state.active, world.state.deployment) == (BLUE, None)


def test_what_was_rolled_back_from_is_on_record_until_it_serves_again() -> None:
    """So that a later supervisor knows; a deployment that leaves it as the standby changes nothing."""
    world = second()
    world.switch(DeploymentKind.ROLLBACK)
    settled(world)
    world.tell(ev.StopRequested("x", GREEN))
    world.play()
    world.tell(ev.StartRequested("y", GREEN))
    settled(world)
    assert world.state.rejected == world.slot(GREEN).release == 2
    world.switch(DeploymentKind.SWAP)
    world.play()
    assert Rejected(None) in world.records


def test_a_boot_beside_what_was_rolled_back_from_leaves_it_rejected() -> None:
    """It stood in for what crashed, and is the standby again."""
    survivor = Survivor(GREEN, "green-9", 10, 1.0, 2, True)
    boot = Boot(BLUE, release=1)
    found = Found(boot, active=BLUE, rejected=2, served_release=1, edge_lives=True, survivors=(survivor,))
    world = World(replace(reconcile(found).state, last_worker=9))
    world.tell(ev.Started())
    settled(world)
    assert (world.state.active, world.slot(GREEN).serves) == (BLUE, True)
    world.crash(BLUE)
    assert (world.state.active, world.state.deployment) == (BLUE, None)


def test_what_was_rolled_back_from_stays_so_for_the_next_supervisor() -> None:
    """One crash after a hand-over is no need either."""
    world = second()
    world.switch(DeploymentKind.ROLLBACK)
    world.play()
    assert Rejected(2) in world.records
    survivors = (Survivor(BLUE, "blue-1", 10, 1.0, 1, True), Survivor(GREEN, "green-2", 11, 1.0, 2, True))
    found = Found(Boot(BLUE), active=BLUE, rejected=2, edge_lives=True, survivors=survivors, last_worker=2)
    later = World(reconcile(found).state)
    later.tell(ev.Started())
    later.crash(BLUE)
    assert (later.state.active, later.state.deployment) == (BLUE, None)


def test_a_switch_waits_for_the_edge() -> None:
    """nginx died too: it is switched when it runs again."""
    world = second()
    world.tell(ev.EdgeEnded("killed"))
    world.crash(GREEN)
    assert world.state.deployment is None
    world.tell(world.timers(ev.EdgeRestartDue)[0].event)
    world.play()

    assert world.state.edge is EdgePhase.RUNNING
    assert world.state.active is BLUE


def test_a_worker_that_keeps_crashing_is_given_up_loudly() -> None:
    """The sixth restart was the last; the warning says what to do."""
    world = given_up(first(Policy(crash_limit=6)))

    assert world.slot(BLUE).phase is Phase.FAILED
    assert len(world.timers(ev.RestartDue)) == 6
    (warned,) = [record.text for record in world.records if isinstance(record, Warned)]
    assert "given up after 7 crashes in a row" in warned
    assert "modelsvc ctl logs blue" in warned and "killed by signal 9" in warned


def test_one_that_was_given_up_can_be_started_by_hand() -> None:
    """It then has all its restarts again."""
    world = given_up(first())
    world.tell(ev.StartRequested("s", BLUE))
    world.play()
    assert world.slot(BLUE).serves
    assert world.ended("s").outcome is Outcome.SUCCEEDED
    world.crash(BLUE)
    assert world.slot(BLUE).phase is Phase.BACKOFF


def test_a_deployment_goes_past_one_that_was_given_up() -> None:
    """Step 1 has nobody to ask, and the new release serves."""
    world = given_up(first())
    world.deploy()
    world.play()

    assert world.ended("d").outcome is Outcome.SUCCEEDED
    assert world.state.active is GREEN


def test_the_new_worker_that_crashes_at_the_last_step_is_an_active_one() -> None:
    """It was baked: it is missed, and the old one, still warm, takes over."""
    world = first()
    world.deploy()
    world.play(to=Step.RECORD)
    world.crash(GREEN)
    world.play()

    assert world.ended("d").outcome is Outcome.SUCCEEDED
    assert world.ended("failover").outcome is Outcome.SUCCEEDED
    assert world.state.active is BLUE
    assert "RestartDue" in {type(after.event).__name__ for after in world.timers(ev.RestartDue)}


@pytest.mark.parametrize("step", [Step.CHECK_EDGE, Step.ADMIT], ids=lambda step: step.key)
def test_a_deployment_that_changed_nothing_yet_gives_way(step: Step) -> None:
    """Its fourth step would stop the standby, which can serve at once."""
    world = second()
    world.deploy()
    world.play(to=step)
    world.crash(GREEN)
    world.play()

    assert world.ended("d").outcome is Outcome.REFUSED
    assert "takes over" in world.ended("d").reason
    assert world.ended("failover").outcome is Outcome.SUCCEEDED
    assert world.state.active is BLUE


def test_one_that_is_being_restarted_is_down_as_well() -> None:
    """The standby may only become free to take over when the successor is already loading."""
    world = first()
    world.deploy()
    world.play(to=Step.RECORD)
    world.crash(GREEN)
    world.tell(world.timers(ev.RestartDue)[0].event)
    assert world.slot(GREEN).phase is Phase.STARTING
    world.tell(ev.StepSucceeded(world.current.token))

    assert world.current.kind is DeploymentKind.FAILOVER


def test_no_failover_in_a_deployment() -> None:
    """The old worker comes back by itself, and the new one is on its way."""
    world = second()
    world.deploy()
    world.play(to=Step.AWAIT_READY)
    world.crash(GREEN)
    world.play()

    assert names(world.effects).count("SwitchRoute") == 1
    assert world.ended("d").outcome is Outcome.SUCCEEDED
