"""A supervisor that is replaced: what is under way is finished, held requests are answered, nothing is stopped."""

import pytest
from tests.core.world import BLUE, GREEN, World, booting, first, names, second, settled

from supervisor.core import events as ev
from supervisor.core.lifecycle import Phase
from supervisor.core.state import Change, DeploymentKind, EdgePhase, Outcome, Policy
from supervisor.core.steps import Step

ASKED = ev.HandoverRequested("next")
STOPPING = {"StopEdge", "StopWorker"}


def ordered(world: World) -> list[str]:
    return names(world.effects)


def test_nothing_is_stopped() -> None:
    """nginx and both workers go on; whoever asked is answered last."""
    world = second()
    world.tell(ASKED)
    world.play()

    assert world.exited
    assert ordered(world) == ["AwaitHeld", "Exit"]
    assert world.ended("next").outcome is Outcome.SUCCEEDED
    assert world.state.edge is EdgePhase.RUNNING
    assert {slot.phase for slot in world.state.slots.values()} == {Phase.READY}


@pytest.mark.parametrize("step", [Step.ADMIT, Step.SWITCH_ROUTE, Step.BAKE])
def test_a_running_deployment_is_finished_first(step: Step) -> None:
    """Its operator gets the outcome, and then the supervisor leaves."""
    world = first()
    world.deploy("d")
    world.play(to=step)
    assert "AwaitHeld" not in names(world.tell(ASKED))
    world.play()

    assert world.exited
    assert world.ended("d").outcome is Outcome.SUCCEEDED
    assert ordered(world)[-2:] == ["AwaitHeld", "Exit"]
    assert world.state.active is GREEN


def test_a_deployment_that_fails_is_taken_back_first() -> None:
    """The standby is stopped as always."""
    world = first()
    world.deploy("d")
    world.play(to=Step.WARM_UP)
    world.tell(ASKED)
    world.fail()
    world.play()

    assert world.exited
    assert world.ended("d").outcome is Outcome.ROLLED_BACK
    assert world.slot(GREEN).phase is Phase.ABSENT


@pytest.mark.parametrize(
    "request_event",
    [
        ev.DeployRequested("r", Change()),
        ev.PrewarmRequested("r", Change()),
        ev.SwitchRequested("r", DeploymentKind.SWAP),
        ev.StopRequested("r", BLUE),
        ev.PauseRequested("r"),
        ev.CancelRequested("r"),
    ],
    ids=lambda event: type(event).__name__,
)
def test_nothing_new_is_begun(request_event: ev.Event) -> None:
    """Refused, with the reason and what to do."""
    world = second()
    world.tell(ASKED)
    world.tell(request_event)

    assert world.ended("r").outcome is Outcome.REFUSED
    assert world.ended("r").reason == "the supervisor is being replaced: ask again in a moment"


def test_requests_that_an_operator_holds_may_pass() -> None:
    """They would be refused when the supervisor leaves."""
    world = second()
    world.tell(ev.PauseRequested("p"))
    world.play()
    world.tell(ASKED)
    assert "Route" in names(world.tell(ev.ResumeRequested("r")))
    assert world.ended("r").outcome is Outcome.SUCCEEDED
    world.play()
    assert world.exited and world.state.routed is GREEN


def test_a_failover_still_begins() -> None:
    """Requests are held until somebody serves; the supervisor leaves when the standby has taken over."""
    world = second()
    world.tell(ASKED)
    world.crash(GREEN)
    world.play()

    assert world.exited
    assert world.state.active is BLUE
    assert world.state.deployment is None


def test_a_worker_is_not_replaced_for_its_memory() -> None:
    """That is left to the next supervisor."""
    world = first()
    world.tell(ASKED)
    looks = [world.tell(ev.WorkerSeen("blue-1", "", 2_500_000_000)) for _ in range(3)]

    assert not any(map(names, looks))


def test_a_worker_that_ends_has_the_time_it_was_given() -> None:
    """The next supervisor would not know how long."""
    world = second()
    world.tell(ev.StopRequested("r", BLUE))
    world.tell(ASKED)
    assert "AwaitHeld" not in ordered(world)
    world.play()

    assert world.exited
    assert world.ended("r").outcome is Outcome.SUCCEEDED


def test_an_nginx_that_just_starts_is_awaited() -> None:
    """Else it would not be on record, and the next supervisor could not adopt it."""
    world = settled(first())
    world.tell(ev.EdgeEnded("killed"))
    world.tell(world.timers(ev.EdgeRestartDue)[-1].event)
    world.tell(ASKED)
    assert "AwaitHeld" not in ordered(world)
    world.play()

    assert world.exited
    assert world.state.edge is EdgePhase.RUNNING


def test_a_boot_is_finished_first() -> None:
    """It is a deployment like any other."""
    world = booting()
    world.tell(ev.Started())
    world.tell(ASKED)
    world.play()

    assert world.exited
    assert world.state.active is BLUE


def test_a_boot_that_failed_is_left_to_the_next_supervisor() -> None:
    """Its pauses may grow long."""
    world = booting()
    world.tell(ev.Started())
    world.play(to=Step.WARM_UP)
    world.tell(ASKED)
    world.fail(transient=True)
    world.play()
    assert world.exited
    assert world.timers(ev.BootDue)


def test_asked_again_it_leaves_at_once() -> None:
    """In the middle of a deployment, which stays unfinished on record for the next one."""
    world = first(Policy())
    world.deploy("d")
    world.play(to=Step.WARM_UP)
    world.tell(ASKED)
    effects = world.tell(ev.HandoverRequested("again"))

    assert names(effects) == ["Exit"]
    assert {world.ended(request).outcome for request in ("next", "again")} == {Outcome.SUCCEEDED}
    assert world.state.deployment is not None


def test_a_shutdown_overtakes_it() -> None:
    """Whoever waited for the replacement is told."""
    world = second()
    world.tell(ASKED)
    world.tell(ev.ShutdownRequested("end"))
    world.play()

    assert world.exited
    assert world.ended("next").outcome is Outcome.FAILED
    assert set(ordered(world)) >= STOPPING


def test_it_is_refused_while_everything_ends() -> None:
    """There is nothing to be handed over."""
    world = first()
    world.tell(ev.ShutdownRequested("end"))
    world.tell(ASKED)

    assert world.ended("next").outcome is Outcome.REFUSED


def test_what_begins_while_requests_are_answered_is_finished_too() -> None:
    """And requests are awaited once more after it."""
    world = second()
    world.tell(ASKED)
    held = world.answers.popleft()
    world.crash(GREEN)
    assert "Exit" not in names(world.tell(held))
    world.play()

    assert world.exited
    assert ordered(world).count("AwaitHeld") == 2
