"""Holding requests by an operator's word, and what a request may hope for."""

from dataclasses import replace

from tests.core.world import BLUE, GREEN, World, booting, first, names, second

from supervisor.core import effects as fx
from supervisor.core import events as ev
from supervisor.core.outlook import Outlook, outlook
from supervisor.core.reconcile import Found, Survivor, reconcile
from supervisor.core.records import Paused
from supervisor.core.state import Boot, Change, DeploymentKind, EdgePhase, Outcome
from supervisor.core.steps import Step


def paused(world: World) -> World:
    world.tell(ev.PauseRequested("p"))
    world.play()
    return world


def test_requests_are_held_and_pass_again() -> None:
    """It is on record before it is done, so that the next supervisor holds them too."""
    world = paused(first())
    assert world.effects[:2] == [fx.Write(Paused(True)), fx.Route(None)]
    assert world.ended("p").outcome is Outcome.SUCCEEDED
    assert outlook(world.state) is Outlook.HELD
    world.effects.clear()
    world.tell(ev.ResumeRequested("r"))

    assert world.effects[:2] == [fx.Write(Paused(False)), fx.Route(BLUE)]
    assert world.ended("r").outcome is Outcome.SUCCEEDED
    assert outlook(world.state) is Outlook.SERVES


def test_twice_is_once() -> None:
    """The second time there is nothing to do."""
    world = paused(first())
    world.effects.clear()
    world.tell(ev.PauseRequested("p2"))
    world.tell(ev.ResumeRequested("r"))
    world.tell(ev.ResumeRequested("r2"))

    assert [world.ended(request).outcome for request in ("p2", "r", "r2")] == [Outcome.SUCCEEDED] * 3
    assert [effect for effect in world.effects if isinstance(effect, fx.Route)] == [fx.Route(BLUE)]


def test_nothing_switches_the_edge_while_requests_are_held() -> None:
    """A deployment would let them pass, against the operator's word; it is refused, with the way out."""
    world = paused(second())
    world.deploy("d")
    world.switch(DeploymentKind.ROLLBACK, "b")
    world.tell(ev.PrewarmRequested("w", Change()))

    assert {world.ended(request).outcome for request in ("d", "b", "w")} == {Outcome.REFUSED}
    assert "modelsvc ctl resume" in world.ended("d").reason


def test_a_worker_that_crashes_while_requests_are_held_is_restarted_only() -> None:
    """No failover switches the edge."""
    world = paused(second())
    world.crash(GREEN)

    assert world.state.deployment is None
    assert world.timers(ev.RestartDue)


def test_requests_pass_when_a_worker_is_booted() -> None:
    """Whoever held them held them from a worker that is no more; status tells the truth."""
    world = booting()
    world.state = replace(world.state, paused=True)
    world.tell(ev.Started())
    world.play()

    assert (world.state.paused, world.state.routed) == (False, BLUE)
    assert Paused(False) in world.records


def test_requests_pass_to_the_standby_that_took_over_whatever_becomes_of_the_boot() -> None:
    """The active worker ended while requests were held and no supervisor ran; its release cannot be started again."""
    standby = Survivor(GREEN, "green-9", 10, 1.0, 2, ready=True)
    left = Found(Boot(BLUE, release=1), active=BLUE, paused=True, edge_lives=True, survivors=(standby,))
    world = World(reconcile(left).state)
    world.tell(ev.Started())
    world.play(to=Step.AWAIT_READY)
    world.answers.clear()
    world.tell(ev.WorkerSpawnFailed(BLUE, world.slot(BLUE).worker_id or "", "the file is gone"))
    world.play()

    assert world.state.deployment is None and world.slot(GREEN).serves
    assert (world.state.active, world.state.routed, world.state.paused) == (GREEN, GREEN, False)
    assert fx.Route(GREEN) in world.effects


def test_a_deployment_is_not_paused() -> None:
    """It would switch the edge against it."""
    world = first()
    world.deploy()
    world.tell(ev.PauseRequested("p"))

    assert world.ended("p").outcome is Outcome.REFUSED


# --- what a request may hope for --------------------------------------------------------------------------------------


def test_somebody_is_coming_while_the_service_starts() -> None:
    """The first deployment is on its way, and so are its retries."""
    world = booting()
    assert outlook(world.state) is Outlook.COMING
    world.tell(ev.Started())
    world.tell(world.answers.popleft())
    assert world.state.edge is EdgePhase.RUNNING
    assert outlook(world.state) is Outlook.COMING
    world.answers.clear()
    world.fail(transient=True)
    world.play()
    assert outlook(world.state) is Outlook.COMING


def test_somebody_is_coming_back_after_a_crash() -> None:
    """Until the worker is given up."""
    world = first()
    world.crash(BLUE)
    assert outlook(world.state) is Outlook.COMING
    for _ in range(world.state.policy.crash_limit):
        world.tell(world.timers(ev.RestartDue)[-1].event)
        assert outlook(world.state) is Outlook.COMING
        world.crash(BLUE)
    assert outlook(world.state) is Outlook.GONE


def test_requests_that_an_operator_holds_are_told_so_whatever_becomes_of_the_worker() -> None:
    """Nobody is being started then, and it is the operator who lets them pass; at the end he does not any more."""
    world = paused(first())
    world.crash(BLUE)
    assert outlook(world.state) is Outlook.HELD
    world.tell(ev.ShutdownRequested("end"))
    assert outlook(world.state) is Outlook.GONE


def test_nobody_is_coming_where_the_worker_was_stopped() -> None:
    """Whoever stopped it by force wants nobody."""
    world = first()
    world.tell(ev.StopRequested("s", BLUE, force=True))
    world.play()

    assert outlook(world.state) is Outlook.GONE


def test_nobody_is_coming_at_the_end() -> None:
    """A shutdown lets those who wait go."""
    world = first()
    world.crash(BLUE)
    world.tell(ev.ShutdownRequested("end"))

    assert outlook(world.state) is Outlook.GONE
    assert "StopEdge" in names(world.effects)
