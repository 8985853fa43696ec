"""Workers that die or never get ready, at rest and during a deployment."""

import pytest
from tests.core.world import BLUE, GREEN, World, booting, first, names, orders, records, second, steps

from supervisor.core import effects as fx
from supervisor.core import events as ev
from supervisor.core.lifecycle import Phase
from supervisor.core.records import RequestEnded, WorkerChanged, WorkerGone
from supervisor.core.state import Color, DeploymentKind, Outcome, Policy
from supervisor.core.steps import Step, StepState

PATIENT = Policy(restart_delay_s=1, restart_delay_limit_s=10, stable_after_s=60)


def restart_due(world: World) -> ev.RestartDue:
    event = world.timers(ev.RestartDue)[-1].event
    assert isinstance(event, ev.RestartDue)
    return event


# --- at rest ----------------------------------------------------------------------------------------------------------


def test_a_crashed_active_worker_is_restarted_after_a_pause() -> None:
    """With the release it had, as a new worker; the end is recorded with its code."""
    world = first(PATIENT)
    effects = world.crash(BLUE, code=-11)

    assert records(effects) == [
        WorkerGone(BLUE, "blue-1", -11, False, "the blue worker was killed by signal 11"),
        WorkerChanged(BLUE, "blue-1", 1, Phase.READY, Phase.BACKOFF),
    ]
    assert [effect for effect in effects if isinstance(effect, fx.After)] == [fx.After(1, ev.RestartDue(BLUE, 1))]
    assert (world.slot(BLUE).phase, world.slot(BLUE).wanted, world.state.active) == (Phase.BACKOFF, True, BLUE)
    assert orders(world.tell(restart_due(world))) == [fx.StartWorker(BLUE, "blue-2", 1, stays=True)]
    world.play()
    assert world.slot(BLUE).phase is Phase.READY


def test_the_pauses_double_up_to_a_limit() -> None:
    """A worker that cannot live does not eat the machine, and is tried for ever."""
    world = first(PATIENT)
    pauses = []
    for _ in range(6):
        world.crash(BLUE)
        pauses.append(world.timers(ev.RestartDue)[-1].delay_s)
        world.tell(restart_due(world))
        world.play()

    assert pauses == [1, 2, 4, 8, 10, 10]


def test_the_limit_holds_after_thousands_of_crashes() -> None:
    """The doubling does not overflow."""
    assert Policy(restart_delay_s=0.2, restart_delay_limit_s=30).pause_s(100_000) == 30


def test_a_stable_worker_is_forgiven_its_crashes() -> None:
    """Once it has been up for a while, the next crash is its first again."""
    world = first(PATIENT)
    world.crash(BLUE)
    world.tell(restart_due(world))
    world.play()
    timer = world.timers(ev.WorkerStable)[-1]
    assert (timer.delay_s, timer.event) == (60, ev.WorkerStable("blue-2"))
    world.tell(timer.event)
    world.crash(BLUE)

    assert world.timers(ev.RestartDue)[-1].delay_s == 1


def test_another_workers_stability_is_not_its_own() -> None:
    """The timer of a worker that died says nothing about its successor."""
    world = first(PATIENT)
    world.crash(BLUE)
    world.tell(restart_due(world))
    world.play()
    world.tell(ev.WorkerStable("blue-1"))

    assert world.slot(BLUE).restarts == 1


def test_a_restart_that_cannot_be_spawned_is_tried_again() -> None:
    """The next pause is longer."""
    world = first(PATIENT)
    world.crash(BLUE)
    world.tell(restart_due(world))
    world.answers.clear()
    world.tell(ev.WorkerSpawnFailed(BLUE, "blue-2", "no memory"))

    assert world.timers(ev.RestartDue)[-1] == fx.After(2, ev.RestartDue(BLUE, 2))
    assert "no memory" in (world.slot(BLUE).progress or "")


def test_a_restarted_worker_that_never_gets_ready_is_ended_and_tried_again() -> None:
    """The ready timeout holds for restarts too."""
    world = first(Policy(ready_timeout_s=5))
    world.crash(BLUE)
    world.tell(restart_due(world))
    world.tell(world.answers.popleft())
    overdue = world.timers(ev.ReadyOverdue)[-1]
    assert overdue.delay_s == 5
    assert orders(world.tell(overdue.event)) == [fx.StopWorker("blue-2", 0.0)]
    world.crash(BLUE)

    assert world.slot(BLUE).phase is Phase.BACKOFF
    assert "not ready within 5 s" in (world.slot(BLUE).progress or "")


def test_a_timer_that_comes_too_late_restarts_nothing() -> None:
    """The pause belongs to one crash: neither a running worker nor a stopped one is restarted by it."""
    world = first(PATIENT)
    world.crash(BLUE)
    due = restart_due(world)
    world.tell(due)
    world.play()
    assert world.tell(due) == []
    world.crash(BLUE)
    assert world.tell(due) == []
    world.tell(ev.StopRequested("x", BLUE, force=True))
    assert world.tell(restart_due(world)) == []


def test_a_crashed_standby_is_not_restarted() -> None:
    """It is a convenience, not a promise; the operator sees why it is gone."""
    world = second()
    effects = world.crash(BLUE, code=3)

    assert orders(effects) == []
    assert world.slot(BLUE).phase is Phase.ABSENT
    assert world.slot(BLUE).progress == "the blue worker exited with code 3"
    assert world.state.active is GREEN


def test_news_of_an_earlier_worker_change_nothing() -> None:
    """Each worker has an id of its own; those that are gone have nothing more to say."""
    world = first()
    before = world.state
    for event in (
        ev.WorkerEnded("blue-0", 1),
        ev.WorkerReady("blue-0"),
        ev.WorkerProgressed("blue-0", "?"),
        ev.WorkerSpawned(BLUE, "blue-0", 1, 1.0),
        ev.WorkerSpawnFailed(BLUE, "blue-0", "?"),
        ev.ReadyOverdue("blue-0"),
        ev.WorkerStable("blue-0"),
        ev.ReadyOverdue("blue-1"),  # ready in time
    ):
        assert world.tell(event) == []
        assert world.state == before


def test_the_end_of_an_adopted_worker_has_no_code() -> None:
    """Only a parent learns the exit code."""
    world = first()
    worker_id = world.slot(BLUE).worker_id or ""
    (gone, *_) = records(world.tell(ev.WorkerEnded(worker_id, None)))

    assert isinstance(gone, WorkerGone)
    assert gone.reason == "the blue worker ended"


# --- during a deployment: the new worker ------------------------------------------------------------------------------

WAITS_FOR_AN_ANSWER = [step for step in Step if Step.AWAIT_READY <= step <= Step.BAKE]


def taken_back(step: Step) -> list[str]:
    """What is left to undo when the new worker is dead already."""
    return ["SwitchRoute"] * (step >= Step.SWITCH_ROUTE)


@pytest.mark.parametrize("step", WAITS_FOR_AN_ANSWER, ids=lambda step: step.key)
def test_a_standby_that_dies_is_rolled_back(step: Step) -> None:
    """As any failure of the step, but with nobody left to drain or kill."""
    world = first()
    world.deploy()
    world.play(to=step)
    world.effects.clear()
    world.crash(GREEN)
    world.play()

    assert names(world.effects) == ["CancelStep", *taken_back(step)]
    assert (step, StepState.FAILED) in steps(world.effects)
    assert world.ended("d").outcome is Outcome.ROLLED_BACK
    assert "the green worker was killed by signal 9" in world.ended("d").reason
    assert (world.state.active, world.slot(BLUE).phase, world.slot(GREEN).phase) == (BLUE, Phase.READY, Phase.ABSENT)


def test_a_standby_that_dies_before_its_birth_was_told_is_rolled_back() -> None:
    """Step 4: the process came and went."""
    world = first()
    world.deploy()
    world.play(to=Step.START_STANDBY)
    world.crash(GREEN, code=1)

    assert world.ended("d").outcome is Outcome.ROLLED_BACK
    assert (Step.START_STANDBY, StepState.FAILED) in steps(world.effects)


@pytest.mark.parametrize(
    "step", [Step.CHECK_EDGE, Step.AWAIT_READY, *range(Step.WRITE_CONFIG, Step.RECORD)], ids=lambda step: Step(step).key
)
def test_a_warm_standby_that_dies_fails_the_switch(step: Step) -> None:
    """There is nothing left to switch to; the active colour stays, or comes back."""
    world = second()
    world.switch(DeploymentKind.SWAP)
    world.play(to=Step(step))
    world.crash(BLUE)
    world.play()

    expected = Outcome.REFUSED if step <= Step.ADMIT else Outcome.ROLLED_BACK
    assert world.ended("s").outcome is expected
    assert (world.state.active, world.slot(GREEN).phase) == (GREEN, Phase.READY)


def test_a_warm_standby_that_is_replaced_anyway_may_die_before() -> None:
    """A full deployment stops it in step 4; until then its end is of no interest."""
    world = second()
    world.deploy()
    world.play(to=Step.ADMIT)
    world.crash(BLUE)
    world.play()

    assert world.ended("d").outcome is Outcome.SUCCEEDED


def test_a_standby_that_dies_while_it_is_taken_back_saves_the_killing() -> None:
    """In whatever undo it happens, the rest is done."""
    world = first()
    world.deploy()
    world.play(to=Step.BAKE)
    world.effects.clear()
    world.fail()
    world.crash(GREEN)
    world.play()

    assert "StopWorker" not in names(world.effects)
    assert world.ended("d").outcome is Outcome.ROLLED_BACK
    assert world.slot(GREEN).phase is Phase.ABSENT


def test_a_standby_that_is_not_ready_in_time_is_killed_and_rolled_back() -> None:
    """It does not get the patience of a graceful stop; the reason has what it said last."""
    world = first(Policy(ready_timeout_s=12))
    world.deploy()
    world.play(to=Step.AWAIT_READY)
    world.answers.clear()
    world.tell(ev.WorkerProgressed("green-2", "loading 7 %"))
    overdue = world.timers(ev.ReadyOverdue)[-1]
    assert (overdue.delay_s, orders(world.tell(overdue.event))) == (12, [fx.StopWorker("green-2", 0.0)])
    world.crash(GREEN)
    world.play()

    assert world.ended("d").outcome is Outcome.ROLLED_BACK
    assert "not ready within 12 s (deploy.ready_timeout_s), last heard: loading 7 %" in world.ended("d").reason


def test_the_reason_a_loading_worker_gave_is_told() -> None:
    """An exit code alone helps nobody."""
    world = first()
    world.deploy()
    world.play(to=Step.AWAIT_READY)
    world.tell(ev.WorkerProgressed("green-2", "this model cannot be loaded"))
    world.crash(GREEN, code=1)
    world.play()

    assert world.ended("d").reason == "the green worker exited with code 1: this model cannot be loaded"


# --- during a deployment: the old worker ------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [step for step in Step if step < Step.RECORD], ids=lambda step: step.key)
def test_an_old_worker_that_dies_does_not_stop_the_deployment(step: Step) -> None:
    """The new one is all the more wanted."""
    world = first()
    world.deploy()
    world.play(to=step)
    world.crash(BLUE)
    world.play()

    assert world.ended("d").outcome is Outcome.SUCCEEDED
    assert (world.state.active, world.slot(GREEN).phase) == (GREEN, Phase.READY)


@pytest.mark.parametrize("step", [step for step in Step if step < Step.RECORD], ids=lambda step: step.key)
def test_an_old_worker_that_died_is_there_again_when_the_new_one_fails(step: Step) -> None:
    """The deployment may have to go back to it, so it is brought up as an active one is."""
    world = first()
    world.deploy()
    world.play(to=step)
    world.crash(BLUE)
    if step is Step.START_STANDBY:
        world.crash(GREEN)
    else:
        world.fail()
    world.play()
    for timer in world.timers(ev.RestartDue):
        world.tell(timer.event)
    world.play()

    assert world.ended("d").outcome is not Outcome.SUCCEEDED
    assert (world.state.active, world.slot(BLUE).phase, world.slot(BLUE).release) == (BLUE, Phase.READY, 1)


@pytest.mark.parametrize("step", [step for step in Step if step < Step.RECORD], ids=lambda step: step.key)
@pytest.mark.parametrize("back", [False, True])
def test_an_old_worker_that_died_is_not_kept_unless_it_is_to_be(step: Step, back: bool) -> None:
    """Without keep_previous, a deployment leaves nothing of the old colour, however that one fares meanwhile."""
    world = first(Policy(keep_previous=False))
    world.deploy()
    world.play(to=step)
    world.crash(BLUE)
    if back:
        world.tell(restart_due(world)) if world.timers(ev.RestartDue) else None
    world.play()
    for timer in world.timers(ev.RestartDue):
        world.tell(timer.event)
    world.play()

    assert world.ended("d").outcome is Outcome.SUCCEEDED
    assert (world.state.active, world.slot(BLUE).phase) == (GREEN, Phase.ABSENT)
    assert not world.slot(BLUE).wanted


def test_a_new_worker_that_dies_after_its_bake_is_the_active_one() -> None:
    """The old one is being stopped, so there is no way back: it is restarted, and the deployment has succeeded."""
    world = first(Policy(keep_previous=False))
    world.deploy()
    world.play(to=Step.BAKE)
    world.tell(world.answers.popleft())
    world.crash(GREEN)
    world.play()
    world.tell(restart_due(world))
    world.play()

    assert world.ended("d").outcome is Outcome.SUCCEEDED
    assert (world.state.active, world.slot(GREEN).phase, world.slot(BLUE).phase) == (GREEN, Phase.READY, Phase.ABSENT)
    assert names(world.effects).count("RestoreRoute") == 0


def test_a_colour_that_waits_for_its_restart_can_be_deployed_to() -> None:
    """The pause ends with the decision to start something else there; its timer then restarts nothing."""
    world = first(PATIENT)
    world.deploy("crashing")
    world.play(to=Step.WRITE_CONFIG)
    world.crash(BLUE)
    world.play()
    assert world.slot(BLUE).phase is Phase.BACKOFF
    world.deploy()
    world.play()
    world.tell(restart_due(world))

    assert world.ended("d").outcome is Outcome.SUCCEEDED
    assert (world.state.active, world.state.active_release) == (BLUE, 3)


def test_a_worker_forced_down_stays_down_when_a_deployment_fails() -> None:
    """The operator did not want it: a refused deployment changes nothing."""
    world = first()
    world.tell(ev.StopRequested("x", BLUE, force=True))
    world.play()
    world.deploy()
    world.play(to=Step.ADMIT)
    world.fail()
    world.play()

    assert world.ended("d").outcome is Outcome.REFUSED
    assert world.slot(BLUE).phase is Phase.ABSENT


def test_a_failed_first_deployment_leaves_nothing_to_restart() -> None:
    """A crash on trial is a failure of the deployment, not of an active worker."""
    world = booting()
    world.tell(ev.Started())
    world.play(to=Step.VERIFY_ROUTE)
    world.crash(BLUE)
    world.play()

    assert world.ended("boot").outcome is Outcome.FAILED
    assert world.timers(ev.RestartDue) == []
    assert world.state.active is None


@pytest.mark.parametrize("color", Color)
def test_every_end_is_recorded_once(color: Color) -> None:
    """Asked for or not."""
    world = second()
    world.crash(color)
    gone = [record for record in world.records if isinstance(record, WorkerGone)]

    assert [(record.color, record.expected) for record in gone] == [(color, False)]
    assert not any(isinstance(record, RequestEnded) for record in world.records)
