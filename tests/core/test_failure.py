"""A failure changes nothing: at each of the 13 steps, what had begun is taken back and the old colour serves on."""

import pytest
from tests.core.world import BLUE, GREEN, World, first, names, orders, records, second, steps

from supervisor.core import effects as fx
from supervisor.core import events as ev
from supervisor.core.lifecycle import Phase
from supervisor.core.records import RequestEnded, RouteChanged
from supervisor.core.stages import WHEN_WARM
from supervisor.core.state import DeploymentKind, EdgePhase, Outcome, Policy
from supervisor.core.steps import Step, StepState

STOP = "StopWorker"
SWITCHED = ("SwitchRoute", "Drain", STOP)
# The design's table: what is taken back, in this order, when the step fails.
UNDO = {
    Step.CHECK_ACTIVE: (),
    Step.CHECK_EDGE: (),
    Step.ADMIT: (),
    Step.START_STANDBY: (),  # its only failure: there is no process to kill
    Step.AWAIT_READY: (STOP,),
    Step.WARM_UP: (STOP,),
    Step.WRITE_CONFIG: (STOP,),
    Step.TEST_CONFIG: (STOP,),
    Step.SWITCH_ROUTE: SWITCHED,
    Step.VERIFY_ROUTE: SWITCHED,
    Step.DRAIN: SWITCHED,
    Step.BAKE: SWITCHED,
}


def fail_at(step: Step, world: World) -> list[fx.Effect]:
    """Fail a deployment at `step`; everything that is ordered from then on."""
    world.deploy()
    world.play(to=step)
    world.effects.clear()
    if step is Step.START_STANDBY:
        world.answers.clear()
        world.tell(ev.WorkerSpawnFailed(GREEN, world.slot(GREEN).worker_id or "", "no luck"))
    else:
        world.answers.clear()
        world.fail()
    world.play()
    return world.effects


def test_each_step_has_its_row() -> None:
    """Only the last step takes nothing back: what it cannot count is lost, the deployment is not."""
    assert set(UNDO) == set(Step) - {Step.RECORD}


@pytest.mark.parametrize("step", UNDO, ids=lambda step: step.key)
def test_what_had_begun_is_taken_back_in_order(step: Step) -> None:
    """The edge before the worker: nobody is killed whom the edge may still ask."""
    effects = fail_at(step, first())

    assert names(effects) == ["CancelStep", *UNDO[step]]


@pytest.mark.parametrize("step", UNDO, ids=lambda step: step.key)
def test_the_old_colour_serves_on_as_before(step: Step) -> None:
    """Active colour, previous release and the old worker are what they were; the standby is gone."""
    world = second(Policy(keep_previous=False))
    before = world.state
    world.deploy()
    world.play(to=step)
    if step is Step.START_STANDBY:
        world.answers.clear()
        world.tell(ev.WorkerSpawnFailed(BLUE, world.slot(BLUE).worker_id or "", "no luck"))
    else:
        world.answers.clear()
        world.fail()
    world.play()

    assert world.state.active is GREEN
    assert world.state.previous_release == before.previous_release == 1
    assert world.slot(GREEN) == before.slots[GREEN]
    assert world.state.edge is EdgePhase.RUNNING
    assert world.slot(BLUE).phase is Phase.ABSENT
    assert not world.slot(BLUE).wanted
    assert world.state.deployment is None


@pytest.mark.parametrize("step", UNDO, ids=lambda step: step.key)
def test_the_outcome_says_whether_anything_had_begun(step: Step) -> None:
    """Steps 1 to 3 refuse; a later failure is rolled back. Either way the reason is told, once."""
    world = first()
    fail_at(step, world)
    ended = world.ended("d")

    assert ended.outcome is (Outcome.REFUSED if step <= Step.ADMIT else Outcome.ROLLED_BACK)
    assert "no luck" in ended.reason
    assert ended.active is BLUE


@pytest.mark.parametrize("step", UNDO, ids=lambda step: step.key)
def test_the_failure_is_recorded_before_anything_is_taken_back(step: Step) -> None:
    """Whoever comes after a crash finds the failed step in the journal."""
    effects = fail_at(step, first())
    failed = next(i for i, effect in enumerate(effects) if steps([effect]) == [(step, StepState.FAILED)])
    touching = [i for i, effect in enumerate(effects) if orders([effect]) and not isinstance(effect, fx.CancelStep)]

    assert all(i > failed for i in touching)
    assert isinstance(effects[-1], fx.Write)
    assert isinstance(effects[-1].record, RequestEnded)


@pytest.mark.parametrize("step", UNDO, ids=lambda step: step.key)
def test_the_failed_step_stays_on_record_as_failed(step: Step) -> None:
    """Also when what it began is taken back; earlier steps that are taken back are undone."""
    last = dict(steps(fail_at(step, first())))

    assert last.pop(step) is StepState.FAILED
    assert set(last.values()) <= {StepState.UNDONE}


@pytest.mark.parametrize("step", UNDO, ids=lambda step: step.key)
def test_a_deployment_after_a_failure_succeeds(step: Step) -> None:
    """Nothing of the failed one is left in the way."""
    world = first()
    fail_at(step, world)
    world.deploy("again")
    world.play()

    assert world.ended("again").outcome is Outcome.SUCCEEDED
    assert world.state.active is GREEN


@pytest.mark.parametrize("step", [step for step in Step if step > Step.VERIFY_ROUTE and step is not Step.RECORD])
def test_the_way_back_after_the_switch_is_recorded(step: Step) -> None:
    """The journal had the new colour as active; it learns of the old one before the new one is stopped."""
    effects = fail_at(step, first())
    routes = [i for i, effect in enumerate(effects) if isinstance(effect, fx.Write)]
    back = next(i for i in routes if isinstance(records([effects[i]])[0], RouteChanged))

    assert records([effects[back]]) == [RouteChanged(BLUE, 1, None, 2)]
    assert back < next(i for i, effect in enumerate(effects) if isinstance(effect, fx.StopWorker))


@pytest.mark.parametrize("step", [Step.SWITCH_ROUTE, Step.VERIFY_ROUTE, Step.BAKE])
def test_an_edge_that_cannot_be_switched_back_keeps_the_standby(step: Step) -> None:
    """nginx may still send it requests: both workers stay, and the failure is told."""
    world = failed_at(step)
    world.fail("disk full")
    world.play()

    assert (Step.SWITCH_ROUTE, StepState.FAILED) in steps(world.effects)
    assert names(world.effects) == ["CancelStep", "SwitchRoute"]
    assert world.ended("d").outcome is Outcome.FAILED
    assert "first" in world.ended("d").reason
    assert world.slot(BLUE).serves and world.slot(GREEN).serves


def test_what_cannot_be_counted_takes_nothing_back() -> None:
    """Step 13 comes after the proof: the deployment succeeded."""
    world = first()
    world.deploy()
    world.play(to=Step.RECORD)
    world.effects.clear()
    world.fail("the log is gone")

    assert world.ended("d").outcome is Outcome.SUCCEEDED
    assert (Step.RECORD, StepState.DONE) in steps(world.effects)


def test_the_way_back_is_on_record_before_the_route_is_restored() -> None:
    """A supervisor that dies while a breached release is taken back must not be followed by one that goes forward."""
    world = first()
    world.deploy()
    world.play(to=Step.BAKE)
    world.answers.clear()
    effects = world.fail("breach")

    back = next(i for i, effect in enumerate(effects) if effect == fx.Write(RouteChanged(BLUE, 1, None, 2)))
    assert back < next(i for i, effect in enumerate(effects) if isinstance(effect, fx.SwitchRoute))
    assert world.state.active is BLUE


def failed_at(step: Step) -> World:
    """Going back from `step` has begun."""
    world = first()
    world.deploy()
    world.play(to=step)
    world.answers.clear()
    world.effects.clear()
    world.fail("first")
    return world


def test_the_first_deployment_has_nothing_to_go_back_to() -> None:
    """It fails rather than being rolled back; the edge then routes to nobody again."""
    world = World()
    world.deploy()
    world.play(to=Step.VERIFY_ROUTE)
    world.answers.clear()
    world.effects.clear()
    world.fail()
    world.play()

    assert world.ended("d").outcome is Outcome.FAILED
    assert world.state.active is None
    assert [effect.color for effect in world.effects if isinstance(effect, fx.SwitchRoute)] == [None]
    assert names(world.effects) == ["CancelStep", *SWITCHED]


@pytest.mark.parametrize("kind", [DeploymentKind.ROLLBACK, DeploymentKind.SWAP])
@pytest.mark.parametrize("step", [step for step in UNDO if step not in WHEN_WARM])
def test_a_failed_switch_leaves_the_warm_standby_running(step: Step, kind: DeploymentKind) -> None:
    """The standby ran before: what the switch did not start, its undo does not kill."""
    world = second()
    before = world.state
    world.switch(kind)
    world.play(to=step)
    world.answers.clear()
    world.effects.clear()
    world.fail()
    world.play()

    assert names(world.effects) == ["CancelStep", *(name for name in UNDO[step] if name != STOP)]
    assert world.state.slots == before.slots
    assert (world.state.active, world.state.previous_release) == (GREEN, 1)


def test_the_new_worker_is_drained_before_it_is_stopped() -> None:
    """After the switch it may hold streams, and a stream is never cut by a deployment."""
    effects = fail_at(Step.BAKE, first(Policy(drain_timeout_s=7)))
    (drain,) = [effect for effect in effects if isinstance(effect, fx.Drain)]

    assert (drain.color, drain.timeout_s) == (GREEN, 7)
