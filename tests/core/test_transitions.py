"""What becomes of a slot is on record, whatever brought it about; so are breaches and deployments taken up."""

from tests.core.world import BLUE, GREEN, World, first, records, second, settled

from supervisor.core import events as ev
from supervisor.core.bake import BreachKind
from supervisor.core.lifecycle import Phase
from supervisor.core.records import BakeBreached, DeploymentBegan, RouteChanged, StepChanged, WorkerChanged
from supervisor.core.state import Color, Deployment, DeploymentKind, EdgePhase, Policy
from supervisor.core.steps import Step, StepState


def phases(world: World, color: Color) -> list[str]:
    """What is on record of a colour, as `before>after`."""
    changes = [record for record in world.records if isinstance(record, WorkerChanged) and record.color is color]
    return [f"{record.previous}>{record.state}" for record in changes]


def test_a_worker_is_told_from_its_start_to_its_end() -> None:
    """With the id of the process, also when it is gone."""
    world = second(Policy(keep_previous=False))
    world.tell(ev.StartRequested("r", BLUE))
    world.play()
    world.tell(ev.StopRequested("s", BLUE))
    world.play()
    assert phases(world, BLUE) == ["absent>starting", "starting>ready", "ready>stopping", "stopping>absent"]
    assert {record.worker_id for record in world.records if isinstance(record, WorkerChanged)} == {"blue-3"}


def test_two_changes_in_one_decision_are_both_told() -> None:
    """The old standby's end and the new one's start."""
    world = second()
    world.deploy()
    world.play(to=Step.START_STANDBY)
    effects = world.tell(ev.WorkerEnded("blue-1", 0))
    told = [record for record in records(effects) if isinstance(record, WorkerChanged)]
    assert told == [
        WorkerChanged(BLUE, "blue-1", 1, Phase.STOPPING, Phase.ABSENT),
        WorkerChanged(BLUE, "blue-3", 3, Phase.ABSENT, Phase.STARTING),
    ]


def test_a_worker_that_is_given_up_is_told_as_failed() -> None:
    """After its last crash."""
    world = first(Policy(crash_limit=1))
    world.crash(BLUE)
    world.tell(world.timers(ev.RestartDue)[-1].event)
    world.play()
    world.crash(BLUE)
    assert phases(world, BLUE) == ["ready>backoff", "backoff>starting", "starting>ready", "ready>failed"]


def test_news_that_move_nothing_tell_nothing() -> None:
    """A worker's progress, a look at it, a late timer."""
    world = first()
    worker = world.slot(BLUE).worker_id or ""
    for event in (ev.WorkerProgressed(worker, "x"), ev.WorkerSeen(worker), ev.ReadyOverdue(worker)):
        world.tell(event)
    assert world.records == []


# --- the bake ---------------------------------------------------------------------------------------------------------


def baking() -> World:
    world = first()
    world.deploy()
    return world.play(to=Step.BAKE)


def test_a_breach_of_the_bake_is_on_record_before_the_step_failed() -> None:
    """With its kind, for those who count, and in words."""
    world = baking()
    breach = {"breach": BreachKind.ERRORS}
    told = records(world.tell(ev.StepFailed(world.current.token, "3 of 9 requests failed", breach)))
    assert told[0] == BakeBreached(2, GREEN, "errors", "3 of 9 requests failed")
    assert isinstance(told[1], RouteChanged)  # the way back is on record before what goes back
    assert isinstance(told[2], StepChanged)
    assert (told[2].step, told[2].state) == (Step.BAKE, StepState.FAILED)


def test_a_crash_in_the_bake_is_no_breach() -> None:
    """It is told as the crash it is; nor is a step that fails for another reason."""
    world = baking()
    world.crash(GREEN)
    other = first()
    other.deploy()
    other.play(to=Step.WARM_UP)
    other.fail()
    assert not [r for r in (*world.records, *other.records) if isinstance(r, BakeBreached)]


# --- after a crash of the supervisor ----------------------------------------------------------------------------------


def test_a_deployment_that_is_taken_up_is_told_as_begun() -> None:
    """Those who follow the new supervisor have not seen its beginning."""
    world = settled(second())
    half_done = Deployment(7, DeploymentKind.DEPLOY, "resumed", BLUE, GREEN, release=2, step=Step.DRAIN)
    state = world.state
    world.state = type(state)(
        slots=state.slots, active=GREEN, routed=GREEN, resumed=half_done, edge=EdgePhase.RUNNING, last_deployment=7
    )
    told = records(world.tell(ev.Started())) or records(world.tell(ev.EdgeStarted(5, 5.0)))
    assert told[0] == DeploymentBegan("resumed", 7, DeploymentKind.DEPLOY, BLUE, GREEN, resumed=True)
