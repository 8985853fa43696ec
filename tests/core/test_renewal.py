"""Workers that were started with other values than are configured now: replaced, without a request lost."""

from dataclasses import replace

from tests.core.world import BLUE, GREEN, World, first, records, second, settled

from supervisor.core import effects as fx
from supervisor.core import events as ev
from supervisor.core.lifecycle import Phase
from supervisor.core.records import DeploymentBegan, Warned
from supervisor.core.state import Change, Color, DeploymentKind, Outcome, Policy
from supervisor.core.steps import Step

WHY = "workers.green_port 8001 -> 8003"
HOSTS = "security.allowed_hosts localhost -> example.org"
LOOK = ev.MemorySeen(0)  # any event will do


def outdated(world: World, *colors: Color) -> World:
    """As a supervisor finds them that was started after an edit."""
    for color in colors:
        world.state = world.state.with_slot(color, outdated=WHY)
    return world


def serving(world: World) -> dict[Color, tuple[Phase, int | None, str]]:
    return {color: (slot.phase, slot.release, slot.outdated) for color, slot in world.state.slots.items()}


def test_both_colours_are_replaced_and_what_was_warm_is_warm_again() -> None:
    """The active one by a deployment that says why; the other one is idle then, and started anew."""
    world = outdated(second(), GREEN, BLUE)
    began = [r for r in records(world.tell(LOOK)) if isinstance(r, DeploymentBegan)]
    settled(world)

    assert [(r.kind, r.because) for r in began] == [(DeploymentKind.REPLACE, WHY)]
    assert serving(world) == {BLUE: (Phase.READY, 2, ""), GREEN: (Phase.READY, 1, "")}
    assert (world.state.active, world.state.previous_release, world.state.displaced) == (BLUE, 1, None)


def test_the_new_worker_proves_itself_before_the_old_one_is_touched() -> None:
    """It is drained and baked like any other."""
    world = outdated(second(), GREEN)
    world.tell(LOOK)
    world.play(Step.BAKE)
    assert world.slot(GREEN).phase is Phase.READY
    world.fail()
    settled(world)
    assert (world.state.active, world.slot(GREEN).outdated) == (GREEN, WHY)


def test_one_that_failed_is_tried_again_after_a_rest() -> None:
    """And what was warm before it is warm meanwhile."""
    world = outdated(second(), GREEN, BLUE)
    world.tell(LOOK)
    world.play(Step.AWAIT_READY)
    world.crash(BLUE)
    world.play()
    assert serving(world) == {BLUE: (Phase.READY, 1, ""), GREEN: (Phase.READY, 2, WHY)}
    assert world.state.deployment is None

    world.tell(world.timers(ev.ReplacementRested)[0].event)
    settled(world)
    assert serving(world) == {BLUE: (Phase.READY, 2, ""), GREEN: (Phase.READY, 1, "")}


def test_what_was_prewarmed_is_prewarmed_again() -> None:
    """With its admission, and to be deployed as before."""
    world = first()
    world.tell(ev.PrewarmRequested("p", Change()))
    settled(world)
    outdated(world, BLUE, GREEN).tell(LOOK)
    settled(world)
    assert serving(world) == {GREEN: (Phase.READY, 1, ""), BLUE: (Phase.READY, 2, "")}
    assert world.state.warm_release == 2


def test_a_standby_alone_is_started_anew_without_a_deployment() -> None:
    """It may still have streams: it gets as long for them as a drain."""
    world = outdated(second(Policy(drain_timeout_s=77.0)), BLUE)
    effects = world.tell(LOOK)
    assert [e.timeout_s for e in effects if isinstance(e, fx.StopWorker)] == [77.0]
    settled(world)
    assert (serving(world)[BLUE], world.state.last_deployment) == ((Phase.READY, 1, ""), 2)


def test_nothing_is_replaced_while_requests_are_held() -> None:
    """It begins when they pass."""
    world = outdated(first(), BLUE)
    world.state = replace(world.state, paused=True, routed=None)
    world.tell(LOOK)
    assert world.state.deployment is None
    world.tell(ev.ResumeRequested("r"))
    assert world.state.deployment is not None


def test_a_crashed_active_worker_comes_back_where_the_edge_looks_for_it() -> None:
    """On its old port, so it is still to be replaced."""
    world = outdated(first(), BLUE)
    world.state = replace(world.state, replacement_rests=True)
    world.crash(BLUE)
    started = [e for e in world.tell(world.timers(ev.RestartDue)[0].event) if isinstance(e, fx.StartWorker)]
    assert [(e.color, e.stays) for e in started] == [(BLUE, True)]
    assert world.slot(BLUE).outdated == WHY


def test_so_does_one_that_a_deployment_may_go_back_to() -> None:
    """It crashed while the new one was watched; the edge's configuration has its old port."""
    world = outdated(first(), BLUE)
    world.tell(LOOK)
    world.play(Step.BAKE)
    world.crash(BLUE)
    started = [e for e in world.tell(world.timers(ev.RestartDue)[0].event) if isinstance(e, fx.StartWorker)]
    assert [(e.color, e.stays) for e in started] == [(BLUE, True)]
    assert world.slot(BLUE).outdated == WHY


def stopping(prewarmed: bool) -> World:
    """The active worker was replaced, and is being stopped to make room for what had been warm before."""
    world = first() if prewarmed else second()
    if prewarmed:
        world.tell(ev.PrewarmRequested("p", Change()))
        settled(world)
    active = world.state.active
    assert active
    outdated(world, active).tell(LOOK)
    while world.slot(active).phase is not Phase.STOPPING:
        world.tell(world.answers.popleft())
    world.effects.clear()
    return world


def test_a_standby_that_is_stopped_by_hand_is_not_started_anew() -> None:
    world = stopping(prewarmed=False)
    assert world.state.standby
    world.tell(ev.StopRequested("s", world.state.standby.color))
    world.play()
    assert world.ended("s").outcome is Outcome.SUCCEEDED
    assert world.state.standby.phase is Phase.ABSENT and world.state.deployment is None


def test_what_is_about_to_be_prewarmed_again_can_be_cancelled() -> None:
    world = stopping(prewarmed=True)
    world.tell(ev.CancelRequested("c"))
    world.play()
    assert world.ended("c").outcome is Outcome.SUCCEEDED
    assert (world.state.prewarmed, world.state.displaced, world.state.deployment) == (None, None, None)


def test_whoever_deploys_meanwhile_has_that() -> None:
    """What was prewarmed before is not what the next plain deployment should go to."""
    world = stopping(prewarmed=True)
    world.state = replace(world.state, policy=replace(world.state.policy, keep_previous=False))
    world.deploy("d", Change("/other.gguf"))
    world.play()
    assert world.ended("d").outcome is Outcome.SUCCEEDED
    assert (world.state.prewarmed, world.state.displaced, world.state.warm_release) == (None, None, None)


def test_what_was_prewarmed_stays_on_record_until_it_is_again() -> None:
    """A supervisor that comes in between tells that it is lost."""
    world = stopping(prewarmed=True)
    assert (world.state.prewarmed, world.state.warm_release) == (2, None)


# --- hosts and origins, which releases hold ---------------------------------------------------------------------------


def superseded(world: World) -> World:
    world.state = replace(world.state, superseded=HOSTS)
    return world


def test_other_hosts_come_in_by_a_new_release_of_what_serves() -> None:
    """The old one stays warm to be gone back to; that is an operator's word, which is not fought over."""
    world = superseded(second())
    began = world.tell(LOOK)
    world.play(Step.ADMIT)
    (admit,) = [e for e in world.effects if isinstance(e, fx.Admit) and e.token == world.current.token]
    settled(world)

    assert [(r.kind, r.because) for r in records(began) if isinstance(r, DeploymentBegan)] == [
        (DeploymentKind.REPLACE, HOSTS)
    ]
    assert (admit.renews, admit.release, admit.number) == (2, None, 3)
    assert serving(world) == {BLUE: (Phase.READY, 3, ""), GREEN: (Phase.READY, 2, "")}
    assert (world.state.previous_release, world.state.superseded) == (2, "")

    world.switch(DeploymentKind.ROLLBACK)
    settled(world)
    assert (world.state.active, world.state.active_release, world.state.last_deployment) == (GREEN, 2, 4)


def test_other_hosts_and_other_ports_come_in_together() -> None:
    """One deployment; then the old release is started on its new port."""
    world = superseded(outdated(second(), GREEN, BLUE))
    began = [r for r in records(world.tell(LOOK)) if isinstance(r, DeploymentBegan)]
    settled(world)
    assert [r.because for r in began] == [f"{WHY}, {HOSTS}"]
    assert serving(world) == {BLUE: (Phase.READY, 3, ""), GREEN: (Phase.READY, 2, "")}
    assert world.state.last_deployment == 3


def test_other_hosts_that_could_not_come_in_are_tried_again_after_a_rest() -> None:
    """What served serves on meanwhile."""
    world = superseded(first())
    world.tell(LOOK)
    world.play(Step.BAKE)
    world.fail()
    world.play()
    assert (world.state.active_release, world.state.superseded, world.state.deployment) == (1, HOSTS, None)

    world.tell(world.timers(ev.ReplacementRested)[0].event)
    settled(world)
    assert (world.state.active_release, world.state.superseded) == (3, "")


def test_what_was_prewarmed_for_other_hosts_is_given_up() -> None:
    """A deployment of it would bring the old ones back."""
    world = first()
    world.tell(ev.PrewarmRequested("p", Change()))
    settled(world)
    told = [r.text for r in records(superseded(world).tell(LOOK)) if isinstance(r, Warned)]
    settled(world)
    assert "release 2 is not prewarmed any more" in told[0] and HOSTS in told[0]
    assert world.state.prewarmed is None
    assert serving(world) == {BLUE: (Phase.READY, 1, ""), GREEN: (Phase.READY, 3, "")}


def test_who_took_over_meanwhile_is_replaced_as_well() -> None:
    """Its release may be as old."""
    world = superseded(second())
    world.state = replace(world.state, replacement_rests=True)
    world.crash(GREEN)
    settled(world)
    assert (world.state.active, world.state.superseded) == (BLUE, HOSTS)
    world.tell(ev.ReplacementRested())
    settled(world)
    assert (world.state.active_release, world.state.superseded) == (3, "")
