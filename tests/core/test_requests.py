"""What operators ask for: start and stop, what is refused and why, and the end of everything."""

from dataclasses import replace

import pytest
from tests.core.world import BLUE, GREEN, World, booting, first, names, orders, records, second, settled

from supervisor.core import effects as fx
from supervisor.core import events as ev
from supervisor.core.lifecycle import Phase
from supervisor.core.records import RequestEnded, StepChanged, WorkerChanged
from supervisor.core.state import Change, Color, DeploymentKind, EdgePhase, Outcome, Policy
from supervisor.core.steps import Step, StepState

START, STOP = ev.StartRequested("r", GREEN), ev.StopRequested("r", GREEN)


def refused(world: World, event: ev.Event) -> str:
    """The reason of a refusal that changed nothing."""
    before = world.state
    (answer,) = records(world.tell(event))
    assert isinstance(answer, RequestEnded)
    assert (answer.outcome, answer.deployment, world.state) == (Outcome.REFUSED, None, before)
    return answer.reason


def in_place() -> World:
    """Green serves release 2, and blue, which had release 1, had to go for it."""
    world = first()
    world.tell(ev.DeployRequested("d", Change(), in_place=True))
    return settled(world)


# --- start ------------------------------------------------------------------------------------------------------------


def test_a_colour_is_started_with_the_release_it_had() -> None:
    """Not with the active one, so that it can serve as rollback target."""
    world = second()
    world.tell(ev.StopRequested("down", BLUE))
    world.play()
    assert orders(world.tell(ev.StartRequested("up", BLUE))) == [fx.AdmitWorker(BLUE, "up", 1)]
    assert orders(world.tell(world.answers.popleft())) == [fx.StartWorker(BLUE, "blue-3", 1, background=True)]
    assert not any(isinstance(r, RequestEnded) and r.request == "up" for r in world.records)
    world.play()

    assert world.ended("up").outcome is Outcome.SUCCEEDED
    assert world.slot(BLUE).phase is Phase.READY
    assert world.state.active is GREEN


def test_a_colour_that_was_never_used_starts_with_the_active_release() -> None:
    """There is no other."""
    world = first()
    assert orders(world.tell(START)) == [fx.AdmitWorker(GREEN, "r", 1)]
    world.play()
    assert fx.StartWorker(GREEN, "green-2", 1, background=True) in world.effects


def test_a_second_worker_that_has_no_room_is_not_started() -> None:
    """After an in-place deployment, say, which was chosen since two do not fit. Nothing changes but the answer."""
    world = in_place()
    before = world.state
    world.tell(ev.StartRequested("up", BLUE))
    world.answers.clear()
    effects = world.tell(ev.WorkerRefused(BLUE, "up", "no room: a table"))

    assert orders(effects) == [] and world.state == before
    assert world.ended("up") == RequestEnded("up", Outcome.REFUSED, "no room: a table", active=GREEN)


def test_a_worker_that_was_started_is_not_prewarmed() -> None:
    """It passed no warm-up and no gate: it cannot be deployed as it is, but a failover may go back to it."""
    world = in_place()
    world.tell(ev.StartRequested("up", BLUE))
    world.play()
    assert world.slot(BLUE).serves and world.state.warm_release is None
    assert "nothing is prewarmed" in refused(world, ev.DeployRequested("fast", Change(), fast=True))
    world.crash(GREEN)
    assert world.current.kind is DeploymentKind.FAILOVER


def test_a_worker_that_is_alone_is_started_at_once() -> None:
    """There is no second one, and the service must come back."""
    world = first()
    world.tell(ev.StopRequested("down", BLUE, force=True))
    world.play()
    assert names(world.tell(ev.StartRequested("up", BLUE))) == ["StartWorker"]


@pytest.mark.parametrize("answer", [ev.WorkerAdmitted(GREEN, "r"), ev.WorkerRefused(GREEN, "r", "no room")])
def test_an_answer_about_room_that_nobody_waits_for_starts_nothing(answer: ev.Event) -> None:
    """A shutdown came in between, or the request is over; whoever asked is answered once."""
    world = first()
    world.tell(START)
    world.answers.clear()
    world.tell(ev.ShutdownRequested("end"))
    world.tell(answer)
    world.play()
    assert world.exited and world.ended("r").outcome is not Outcome.SUCCEEDED
    assert "StartWorker" not in names(world.effects)
    assert first().tell(answer) == []


def test_a_shutdown_answers_who_asked_for_a_worker_that_has_no_room_yet() -> None:
    """The answer about the room comes too late."""
    world = first()
    world.tell(START)
    world.answers.clear()
    world.tell(ev.ShutdownRequested("end"))
    world.play()
    assert world.exited and world.ended("r").outcome is Outcome.FAILED


def test_memory_that_runs_short_while_room_is_asked_for_replaces_nobody() -> None:
    """It would take the slot from under the request, which nobody would answer."""
    world = first(Policy(budget_bytes=1000))
    world.tell(START)
    for _ in range(9):
        world.tell(ev.MemorySeen(1001))
    assert world.state.deployment is None
    world.play()
    assert world.ended("r").outcome is Outcome.SUCCEEDED


def test_starting_what_is_ready_changes_nothing() -> None:
    """And is no error, even while a deployment runs."""
    world = first()
    world.deploy()
    before = world.state
    (answer,) = records(world.tell(ev.StartRequested("r", BLUE)))

    assert answer == RequestEnded("r", Outcome.SUCCEEDED, "blue is ready already", active=BLUE)
    assert world.state == before


@pytest.mark.parametrize("color", [BLUE, GREEN])
def test_a_worker_that_is_being_ended_is_not_started_beside_itself(color: Color) -> None:
    """It has its port and its memory until it is gone."""
    world = second()
    for _ in range(3):
        world.tell(ev.WorkerSeen(world.slot(color).worker_id or "", problem="no decode progress for 31 s"))
    assert world.slot(color).condemned
    reason = refused(world, ev.StartRequested("r", color))
    assert reason.startswith(f"{color} is being ended (no decode progress for 31 s)")


def test_a_start_that_fails_says_why() -> None:
    """The process died, could not be spawned, or was not ready in time."""
    for event in (
        ev.WorkerEnded("green-2", 1),
        ev.WorkerSpawnFailed(GREEN, "green-2", "no such file"),
    ):
        world = first()
        world.tell(START)
        world.tell(world.answers.popleft())
        world.answers.clear()
        world.tell(event)
        assert world.ended("r").outcome is Outcome.FAILED
        assert "green worker" in world.ended("r").reason
        assert world.slot(GREEN).phase is Phase.ABSENT


def test_nothing_can_be_started_before_the_first_release() -> None:
    """There is nothing to run."""
    assert "no release to start" in refused(World(), START)


def test_starting_with_nothing_active_is_a_deployment() -> None:
    """The edge has to be told as well."""
    world = World()
    world.state = world.state.with_slot(GREEN, release=4)
    world.tell(START)
    world.play()

    assert world.ended("r") == RequestEnded("r", Outcome.SUCCEEDED, "", 1, 4, GREEN)
    assert world.state.active is GREEN


def test_starting_a_warm_worker_that_nobody_routes_to_brings_it_to_the_edge() -> None:
    """A standby can outlive the active colour: asking for it is asking for service."""
    world = second()
    world.state = replace(world.state, active=None).with_slot(GREEN, phase=Phase.ABSENT, worker_id=None, pid=None)
    world.tell(ev.StartRequested("r", BLUE))
    world.play()

    assert world.ended("r").outcome is Outcome.SUCCEEDED
    assert world.state.active is BLUE
    assert "StartWorker" not in names(world.effects)


def test_an_active_worker_in_its_pause_is_started_at_once() -> None:
    """The operator need not wait for the backoff."""
    world = first()
    world.crash(BLUE)
    assert names(world.tell(ev.StartRequested("r", BLUE))) == ["StartWorker"]
    world.play()
    assert world.ended("r").outcome is Outcome.SUCCEEDED


@pytest.mark.parametrize("ask", [ev.StartRequested("r", BLUE), ev.StopRequested("r", BLUE, force=True)])
def test_a_worker_that_is_starting_by_itself_can_be_asked_for(ask: ev.StartRequested | ev.StopRequested) -> None:
    """A restart that is under way is joined, or ended; it is not started twice."""
    world = first()
    world.crash(BLUE)
    world.tell(world.timers(ev.RestartDue)[-1].event)
    effects = world.tell(ask)
    world.play()

    assert "StartWorker" not in names(effects)
    assert world.ended("r").outcome is Outcome.SUCCEEDED
    assert world.slot(BLUE).phase is (Phase.READY if isinstance(ask, ev.StartRequested) else Phase.ABSENT)


# --- stop -------------------------------------------------------------------------------------------------------------


def test_a_standby_is_stopped_in_its_time() -> None:
    """The answer comes when the process is gone."""
    world = second(Policy(stop_timeout_s=8))
    effects = world.tell(ev.StopRequested("r", BLUE))
    assert orders(effects) == [fx.StopWorker("blue-1", 8)]
    assert records(effects) == [WorkerChanged(BLUE, "blue-1", 1, Phase.READY, Phase.STOPPING)]
    world.play()

    assert world.ended("r") == RequestEnded("r", Outcome.SUCCEEDED, "", None, 1, GREEN)
    assert (world.slot(BLUE).phase, world.slot(BLUE).wanted, world.slot(BLUE).release) == (Phase.ABSENT, False, 1)


def test_stopping_what_does_not_run_changes_nothing() -> None:
    """And is no error."""
    world = first()
    before = world.state
    world.tell(STOP)

    assert world.ended("r").outcome is Outcome.SUCCEEDED
    assert world.state == before


def test_the_active_worker_is_stopped_by_force_only() -> None:
    """Since nobody would answer any more."""
    world = first()
    assert "swap first, or use --force" in refused(world, ev.StopRequested("r", BLUE))
    assert orders(world.tell(ev.StopRequested("forced", BLUE, force=True))) == [fx.StopWorker("blue-1", 30.0)]
    world.play()

    assert world.ended("forced").outcome is Outcome.SUCCEEDED
    assert world.timers(ev.RestartDue) == []
    assert world.state.active is BLUE


def test_a_worker_stopped_by_force_can_be_started_again() -> None:
    """It is still the active colour, and serves at once."""
    world = first()
    world.tell(ev.StopRequested("down", BLUE, force=True))
    world.play()
    world.tell(ev.StartRequested("up", BLUE))
    world.play()

    assert (world.ended("up").outcome, world.state.active) == (Outcome.SUCCEEDED, BLUE)
    assert world.slot(BLUE).phase is Phase.READY


def test_a_crash_loop_can_be_stopped() -> None:
    """In the pause there is no process to wait for: the answer comes at once."""
    world = first()
    world.crash(BLUE)
    effects = world.tell(ev.StopRequested("r", BLUE, force=True))

    assert names(effects) == []
    assert world.ended("r").outcome is Outcome.SUCCEEDED
    assert (world.slot(BLUE).phase, world.slot(BLUE).wanted) == (Phase.ABSENT, False)


def test_a_worker_killed_while_it_is_stopped_counts_as_stopped() -> None:
    """Whatever its exit code."""
    world = second()
    world.tell(ev.StopRequested("r", BLUE))
    world.crash(BLUE, code=-9)

    assert world.ended("r").outcome is Outcome.SUCCEEDED


# --- refusals ---------------------------------------------------------------------------------------------------------

ASKS = [
    ev.DeployRequested("r", Change()),
    ev.SwitchRequested("r", DeploymentKind.SWAP),
    ev.SwitchRequested("r", DeploymentKind.ROLLBACK),
    START,
    STOP,
]


@pytest.mark.parametrize("ask", ASKS, ids=lambda ask: type(ask).__name__)
def test_one_thing_at_a_time(ask: ev.Event) -> None:
    """During a deployment, during a start or stop, before the edge runs, and during a shutdown."""
    deploying, starting, stopping, boot, ending = first(), first(), second(), booting(), first()
    deploying.deploy()
    starting.tell(ev.StartRequested("other", GREEN))
    stopping.tell(ev.StopRequested("other", BLUE))
    boot.tell(ev.Started())
    ending.tell(ev.ShutdownRequested("other"))
    green_is_ready = isinstance(ask, ev.StartRequested)

    assert "deployment 2 (deploy to green) is at step 1" in refused(deploying, ask)
    assert "green is about to start on another request" in refused(starting, ask)
    starting.tell(ev.WorkerAdmitted(GREEN, "other"))
    assert "green is starting on another request" in refused(starting, ask)
    assert green_is_ready or "blue is stopping on another request" in refused(stopping, ask)
    assert "edge" in refused(boot, ask)
    assert "shutting down" in refused(ending, ask)


def test_there_must_be_something_to_switch_to() -> None:
    """Each refusal says what to do."""
    swap, rollback = (ev.SwitchRequested("r", kind) for kind in (DeploymentKind.SWAP, DeploymentKind.ROLLBACK))

    assert "modelsvc ctl deploy" in refused(World(), swap)
    assert "modelsvc ctl deploy" in refused(World(), rollback)
    assert "green is absent: start it with `modelsvc ctl start green`" in refused(first(), swap)
    assert "no earlier release" in refused(first(), rollback)


@pytest.mark.parametrize("kind", [DeploymentKind.SWAP, DeploymentKind.ROLLBACK])
def test_a_named_colour_is_a_goal(kind: DeploymentKind) -> None:
    """It is gone to once, and not left again when the same is asked twice."""
    world = second()
    before = world.state.active
    assert before is not None
    for request in ("once", "twice"):
        world.tell(ev.SwitchRequested(request, kind, to=before.other))
        world.play()

        assert world.ended(request).outcome is Outcome.SUCCEEDED
        assert world.state.active is before.other
    assert world.ended("twice").reason == f"{before.other} serves already" and world.ended("twice").deployment is None


def test_a_named_colour_that_is_active_but_down_is_no_goal_reached() -> None:
    """Nothing is switched, and nobody is told that it serves."""
    world = first()
    world.crash(BLUE)

    assert "blue is active, but its worker is" in refused(world, ev.SwitchRequested("r", DeploymentKind.SWAP, to=BLUE))


def test_a_switch_is_no_deployment() -> None:
    """Events refuse bad construction."""
    with pytest.raises(ValueError, match="not deploy"):
        ev.SwitchRequested("r", DeploymentKind.DEPLOY)


# --- shutdown ---------------------------------------------------------------------------------------------------------


def shut_down(world: World) -> World:
    world.effects.clear()
    world.tell(ev.ShutdownRequested("end"))
    world.play()
    return world


def test_the_edge_ends_first_then_the_workers_then_the_supervisor() -> None:
    """Nothing is accepted that nobody would answer. Running answers have as long as in a deployment."""
    world = shut_down(second(Policy(stop_timeout_s=4, drain_timeout_s=60)))

    assert orders(world.effects) == [
        fx.StopEdge(60),
        fx.StopWorker("blue-1", 4),
        fx.StopWorker("green-2", 4),
        fx.Exit(),
    ]
    assert world.ended("end") == RequestEnded("end", Outcome.SUCCEEDED, active=GREEN)
    assert world.effects.index(fx.Write(world.ended("end"))) == len(world.effects) - 2


def test_a_second_shutdown_is_refused() -> None:
    """The first is on its way."""
    world = first()
    world.tell(ev.ShutdownRequested("end"))
    assert "already" in refused(world, ev.ShutdownRequested("again"))


@pytest.mark.parametrize("step", [step for step in Step if step < Step.RECORD], ids=lambda step: step.key)
@pytest.mark.parametrize("undoing", [False, True])
def test_a_deployment_is_abandoned(step: Step, undoing: bool) -> None:
    """It is recorded as failed, its request answered, and everything ends, wherever it was."""
    world = first(Policy(keep_previous=False))
    world.deploy()
    world.play(to=step)
    if undoing and step > Step.AWAIT_READY:
        world.fail()
    shut_down(world)

    assert world.exited
    assert world.ended("d").outcome is Outcome.FAILED
    assert "shut down" in world.ended("d").reason
    assert [r.state for r in world.records if isinstance(r, StepChanged)] == [StepState.FAILED]
    assert {slot.phase for slot in world.state.slots.values()} == {Phase.ABSENT}
    assert world.ended("end").outcome is Outcome.SUCCEEDED


def test_a_deployment_is_abandoned_while_the_old_worker_is_stopped() -> None:
    """The last thing step 12 does."""
    world = first(Policy(keep_previous=False))
    world.deploy()
    world.play(to=Step.BAKE)
    world.tell(world.answers.popleft())

    assert shut_down(world).exited


def test_without_an_edge_the_workers_are_stopped_at_once() -> None:
    """nginx is down and its restart is due: it is not restarted any more."""
    world = second()
    world.tell(ev.EdgeEnded("killed"))
    due = world.timers(ev.EdgeRestartDue)[-1].event
    world.effects.clear()
    world.tell(ev.ShutdownRequested("end"))

    assert names(world.effects) == ["StopWorker", "StopWorker"]
    assert world.tell(due) == []
    world.play()
    assert world.exited


def test_with_nothing_running_it_ends_at_once() -> None:
    """Not even the edge was started; a start that is told afterwards starts nothing."""
    world = booting()
    world.tell(ev.ShutdownRequested("end"))
    assert world.exited
    assert names(world.tell(ev.Started())) == []


def test_an_edge_that_is_just_starting_is_ended_too() -> None:
    """The order to stop may overtake the start: nginx is then stopped once it runs, and nothing is booted."""
    world = booting()
    world.tell(ev.Started())
    world.answers.clear()
    world.tell(ev.ShutdownRequested("end"))
    world.answers.clear()
    effects = world.tell(ev.EdgeStarted(5, 5.0))

    assert names(effects) == ["StopEdge"]
    assert world.state.deployment is None
    world.play()
    assert world.exited
    assert world.state.edge is EdgePhase.ABSENT


@pytest.mark.parametrize("when", ["backoff", "due while the edge ends", "restarting"])
def test_a_crashed_worker_does_not_hold_it_up(when: str) -> None:
    """A worker in its pause is not restarted, one that is restarting is stopped."""
    world = first()
    world.crash(BLUE)
    due = world.timers(ev.RestartDue)[-1].event
    if when == "restarting":
        world.tell(due)
    world.effects.clear()
    world.tell(ev.ShutdownRequested("end"))
    if when == "due while the edge ends":
        assert world.tell(due) == []
    world.play()

    assert world.exited
    assert world.slot(BLUE).phase is Phase.ABSENT


@pytest.mark.parametrize("color", Color)
def test_workers_that_die_meanwhile_are_not_restarted(color: Color) -> None:
    """While the edge ends and after it."""
    world = second()
    world.tell(ev.ShutdownRequested("end"))
    world.crash(color)
    world.play()

    assert world.exited
    assert world.timers(ev.RestartDue) == []


def test_whoever_waits_is_answered_truthfully() -> None:
    """A start that is cut short has failed; a stop that comes true all the same has succeeded."""
    starting, stopping = first(), second()
    starting.tell(START)
    starting.tell(starting.answers.popleft())
    starting.answers.clear()
    stopping.tell(ev.StopRequested("r", BLUE))
    stopping.answers.clear()
    for world in (starting, stopping):
        world.tell(ev.ShutdownRequested("end"))
        world.play()
    stopping.tell(ev.WorkerEnded("blue-1", 0))

    assert starting.exited
    assert starting.ended("r").outcome is Outcome.FAILED
    assert stopping.exited
    assert stopping.ended("r").outcome is Outcome.SUCCEEDED


def test_the_other_colour_serves_when_it_is_started_in_place_of_a_stopped_one() -> None:
    """Whoever starts a worker while the active one was stopped by force wants answers."""
    world = first()
    world.tell(ev.StopRequested("down", BLUE, force=True))
    world.play()
    world.tell(ev.StartRequested("up", GREEN))
    world.play()

    assert world.ended("up").outcome is Outcome.SUCCEEDED
    assert world.state.active is GREEN
