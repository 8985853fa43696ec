"""Prewarming is steps 1 to 6; the deployment that follows has only the switch left to do."""

import pytest
from tests.core.world import BLUE, GREEN, World, first, names, second, settled, steps

from supervisor.core import effects as fx
from supervisor.core import events as ev
from supervisor.core.lifecycle import Phase
from supervisor.core.records import Prewarmed, Warned
from supervisor.core.state import Change, DeploymentKind, Outcome, Policy
from supervisor.core.steps import Step, StepState


def prewarmed(policy: Policy | None = None) -> World:
    """Blue serves release 1, green is warm with release 2."""
    world = first(policy)
    world.tell(ev.PrewarmRequested("p", Change()))
    return settled(world)


def test_the_standby_is_left_warm_and_the_active_colour_as_it_is() -> None:
    """Not one thing about the edge is touched."""
    world = first()
    world.tell(ev.PrewarmRequested("p", Change("/m.gguf")))
    world.play()

    assert names(world.effects) == [
        *("CheckWorker", "CheckEdge", "Admit", "StartWorker", "CheckWorker", "WarmUp", "Tally")
    ]
    assert world.ended("p").outcome is Outcome.SUCCEEDED
    assert Prewarmed(2) in world.records
    assert (world.state.active, world.state.routed, world.state.warm_release) == (BLUE, BLUE, 2)


def test_a_deployment_without_a_change_goes_to_what_was_prewarmed() -> None:
    """Nothing is started or admitted again: readiness is asked, then the edge is switched."""
    world = prewarmed()
    worker = world.slot(GREEN).worker_id
    world.deploy()
    world.play()

    assert names(world.effects) == [
        *("CheckEdge", "CheckWorker", "WriteConfig", "TestConfig", "SwitchRoute", "VerifyRoute", "Drain", "Bake"),
        "Tally",
    ]
    assert world.ended("d").outcome is Outcome.SUCCEEDED
    assert (world.state.active, world.slot(GREEN).worker_id, world.state.prewarmed) == (GREEN, worker, None)
    assert Prewarmed(None) in world.records


def test_a_deployment_with_a_change_is_a_full_one() -> None:
    """What was prewarmed is not what was asked for."""
    world = prewarmed()
    world.deploy(change=Change("/other.gguf"))
    world.play()

    assert "StopWorker" in names(world.effects) and "StartWorker" in names(world.effects)
    assert world.state.active_release == 3


def test_a_fast_deployment_needs_a_prewarmed_standby() -> None:
    """It is refused rather than be slow."""
    world = first()
    world.tell(ev.DeployRequested("d", Change(), fast=True))

    assert world.ended("d").outcome is Outcome.REFUSED
    assert "nothing is prewarmed" in world.ended("d").reason


def test_a_prewarmed_worker_that_died_is_not_deployed_to() -> None:
    """Fast is refused and says why; a deployment otherwise starts a new worker."""
    world = prewarmed()
    world.crash(GREEN)
    world.tell(ev.DeployRequested("fast", Change(), fast=True))
    world.deploy()
    world.play()

    assert "not ready any more" in world.ended("fast").reason
    assert world.ended("d").outcome is Outcome.SUCCEEDED
    assert "StartWorker" in names(world.effects)


def crashed(policy: Policy | None = None) -> World:
    """What was prewarmed is not there any more."""
    world = prewarmed(policy)
    world.crash(GREEN)
    return world


def pause_is_over(world: World) -> None:
    world.tell(world.timers(ev.PrewarmDue)[-1].event)


def warnings(world: World) -> list[str]:
    return [record.text for record in world.records if isinstance(record, Warned)]


def test_a_prewarmed_worker_that_died_is_prewarmed_again() -> None:
    """After the pause of all crashed workers, and by all that a prewarming does: memory is asked first."""
    world = crashed(Policy(restart_delay_s=1))
    assert world.timers(ev.PrewarmDue) == [fx.After(1, ev.PrewarmDue(2, 1))]
    assert world.slot(GREEN).phase is Phase.ABSENT and world.state.prewarmed == 2
    pause_is_over(world)
    assert world.current.kind is DeploymentKind.PREWARM
    world.play()

    (admitted,) = [effect for effect in world.effects if isinstance(effect, fx.Admit)]
    assert admitted.release == 2
    assert (world.state.warm_release, world.state.active, world.slot(GREEN).worker_id) == (2, BLUE, "green-3")
    assert not warnings(world)
    world.tell(ev.DeployRequested("d", Change(), fast=True))
    world.play()
    assert world.ended("d").outcome is Outcome.SUCCEEDED


def test_one_that_keeps_crashing_is_given_up_loudly() -> None:
    """As any worker; the pauses double, and the warning says what to do. A fresh prewarming has them all again."""
    world = prewarmed(Policy(restart_delay_s=1, crash_limit=3))
    for _ in range(3):
        world.crash(GREEN)
        pause_is_over(world)
        world.play()
    assert [timer.delay_s for timer in world.timers(ev.PrewarmDue)] == [1, 2, 4]
    world.crash(GREEN)

    assert len(world.timers(ev.PrewarmDue)) == 3
    (told,) = warnings(world)
    assert told.startswith(
        "release 2 is not prewarmed any more: 4 crashes in a row, the last: the green worker was killed"
    )
    assert "`modelsvc ctl prewarm`" in told
    assert (world.state.prewarmed, world.state.prewarm_lost) == (None, told)
    assert Prewarmed(None) in world.records
    world.tell(ev.PrewarmRequested("again", Change()))
    world.play()
    assert (world.state.prewarm_lost, world.state.prewarm_failures) == ("", 0)


def test_a_stable_one_is_forgiven_its_crashes() -> None:
    """As any worker."""
    world = crashed()
    pause_is_over(world)
    world.play()
    world.tell(world.timers(ev.WorkerStable)[-1].event)
    world.crash(GREEN)
    assert world.timers(ev.PrewarmDue)[-1].event == ev.PrewarmDue(2, 1)


@pytest.mark.parametrize("step", [Step.ADMIT, Step.AWAIT_READY, Step.WARM_UP], ids=lambda step: step.key)
def test_one_that_cannot_be_prewarmed_again_is_given_up_loudly(step: Step) -> None:
    """Memory may be what it was short of: then the first refusal is the last try."""
    world = crashed()
    pause_is_over(world)
    world.play(to=step)
    world.answers.clear()
    world.fail("it is short of 9 MB\n  a table")
    world.play()

    assert warnings(world) == [
        "release 2 is not prewarmed any more: it is short of 9 MB; `modelsvc ctl prewarm` does it again"
    ]
    assert (world.state.prewarmed, world.slot(GREEN).phase) == (None, Phase.ABSENT)
    assert len(world.timers(ev.PrewarmDue)) == 1


def test_one_that_was_ended_for_its_memory_is_not_started_again() -> None:
    """It would hold as much again; neither is one that was stopped for the budget."""
    world = prewarmed()
    world.tell(ev.WorkerSeen("green-2", "", 10 * world.state.policy.worker_limit_bytes))
    world.play()
    assert not world.timers(ev.PrewarmDue) and world.state.prewarmed is None
    assert "far over" in world.state.prewarm_lost
    world = prewarmed()
    for _ in range(world.state.policy.looks_before_action):
        world.tell(ev.MemorySeen(world.state.policy.budget_bytes + 1))
    world.play()
    assert not world.timers(ev.PrewarmDue) and world.state.prewarmed is None
    assert "memory.budget_gb" in world.state.prewarm_lost


def test_whatever_runs_comes_before_it() -> None:
    """And where that took the standby, nothing is left to prewarm."""
    world = crashed()
    world.deploy(change=Change("/other.gguf"))
    pause_is_over(world)
    assert world.current.request == "d" and len(world.timers(ev.PrewarmDue)) == 2
    world.play()
    before = world.state
    pause_is_over(world)
    assert world.state == before and world.state.active is GREEN


def test_a_prewarmed_worker_that_crashes_on_trial_is_its_deployments() -> None:
    """That is rolled back, and what did not prove itself is not prewarmed again."""
    world = prewarmed()
    world.deploy()
    world.play(to=Step.BAKE)
    world.crash(GREEN)
    world.play()
    assert not world.timers(ev.PrewarmDue) and world.state.prewarmed is None


def test_what_is_about_to_be_prewarmed_again_can_be_cancelled() -> None:
    """In the pause, and under way; that is no loss to be told of."""
    for under_way in (False, True):
        world = crashed()
        if under_way:
            pause_is_over(world)
            world.play(to=Step.AWAIT_READY)
            world.answers.clear()
        world.tell(ev.CancelRequested("c"))
        world.play()
        assert world.ended("c").outcome is Outcome.SUCCEEDED
        assert (world.state.prewarmed, world.state.prewarm_lost, warnings(world)) == (None, "", [])
        before = world.state
        pause_is_over(world)
        assert world.state == before


def test_one_that_was_stopped_is_not_started_again() -> None:
    """Somebody asked for that."""
    world = prewarmed()
    world.tell(ev.StopRequested("s", GREEN))
    world.play()
    assert not world.timers(ev.PrewarmDue)


def test_a_prewarmed_release_that_does_not_prove_itself_is_ended() -> None:
    """Unlike a rollback target it has no further use, and must not be deployed to again."""
    world = prewarmed()
    world.deploy()
    world.play(to=Step.BAKE)
    world.answers.clear()
    world.fail("breach")
    world.play()

    assert world.ended("d").outcome is Outcome.ROLLED_BACK
    assert (world.state.active, world.slot(GREEN).phase, world.state.prewarmed) == (BLUE, Phase.ABSENT, None)


@pytest.mark.parametrize("step", [Step.ADMIT, Step.AWAIT_READY, Step.WARM_UP], ids=lambda step: step.key)
def test_a_prewarming_that_fails_leaves_nothing(step: Step) -> None:
    """As any deployment."""
    world = first()
    world.tell(ev.PrewarmRequested("p", Change()))
    world.play(to=step)
    world.answers.clear()
    world.fail()
    world.play()

    assert world.ended("p").outcome is (Outcome.REFUSED if step is Step.ADMIT else Outcome.ROLLED_BACK)
    assert (world.slot(GREEN).phase, world.state.warm_release) == (Phase.ABSENT, None)


def test_it_can_be_cancelled_before_it_is_admitted() -> None:
    """Nothing was begun that would be taken back, and yet it is forgotten."""
    world = crashed()
    pause_is_over(world)
    world.play(to=Step.ADMIT)
    world.answers.clear()
    world.tell(ev.CancelRequested("c"))
    world.play()
    assert world.ended("c").outcome is Outcome.SUCCEEDED
    assert (world.state.prewarmed, world.state.prewarm_failures) == (None, 0)


def test_prewarming_is_cancelled_under_way() -> None:
    """The standby goes, and both who asked are answered when it has."""
    world = first()
    world.tell(ev.PrewarmRequested("p", Change()))
    world.play(to=Step.AWAIT_READY)
    world.answers.clear()
    world.tell(ev.CancelRequested("c"))
    world.play()

    assert world.ended("p").outcome is Outcome.ROLLED_BACK
    assert "cancelled" in world.ended("p").reason
    assert world.ended("c").outcome is Outcome.SUCCEEDED
    assert world.slot(GREEN).phase is Phase.ABSENT
    assert (Step.AWAIT_READY, StepState.FAILED) in steps(world.effects)


def test_prewarming_that_is_over_but_for_the_record_is_not_cancelled() -> None:
    """It is told to wait; what is prewarmed then can be stopped."""
    world = first()
    world.tell(ev.PrewarmRequested("p", Change()))
    world.play(to=Step.RECORD)
    world.tell(ev.CancelRequested("c"))
    world.play()

    assert world.ended("c").outcome is Outcome.REFUSED
    assert world.ended("p").outcome is Outcome.SUCCEEDED


def test_what_is_prewarmed_is_cancelled_by_stopping_it() -> None:
    """Its memory is free when the request is answered."""
    world = prewarmed()
    world.tell(ev.CancelRequested("c"))
    world.play()

    assert world.ended("c").outcome is Outcome.SUCCEEDED
    assert (world.slot(GREEN).phase, world.state.prewarmed) == (Phase.ABSENT, None)


def test_there_may_be_nothing_to_cancel() -> None:
    """A warm rollback target was not prewarmed; a deployment under way is no prewarming."""
    world = second()
    world.tell(ev.CancelRequested("c"))
    world.deploy()
    world.tell(ev.CancelRequested("c2"))

    assert world.ended("c").outcome is Outcome.REFUSED
    assert "nothing is prewarmed" in world.ended("c").reason
    assert world.ended("c2").outcome is Outcome.REFUSED
    assert "deployment 3" in world.ended("c2").reason


def test_nothing_is_prewarmed_where_nothing_serves() -> None:
    """There is no standby without an active colour."""
    world = World()
    world.tell(ev.PrewarmRequested("p", Change()))

    assert world.ended("p").outcome is Outcome.REFUSED


def test_going_back_after_a_fast_deployment_is_no_prewarming() -> None:
    """The standby then holds what was left, and the next deployment is a full one."""
    world = prewarmed()
    world.deploy()
    world.play()
    world.switch(DeploymentKind.ROLLBACK)
    world.play()
    world.effects.clear()
    world.deploy("again")
    world.play()

    assert world.state.active_release == 3
