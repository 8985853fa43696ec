"""One deployment from its first step to its last, as it goes when nothing fails."""

from dataclasses import replace

import pytest
from tests.core.world import BLUE, GREEN, World, booting, first, names, orders, records, second, settled, steps

from supervisor.core import effects as fx
from supervisor.core import events as ev
from supervisor.core.lifecycle import Phase
from supervisor.core.outlook import Outlook, outlook
from supervisor.core.records import (
    DeploymentBegan,
    RequestEnded,
    RouteChanged,
    StepChanged,
    StepShown,
    Warned,
    WorkerBegan,
    WorkerChanged,
)
from supervisor.core.state import Boot, Change, Color, DeploymentKind, EdgePhase, Outcome, Policy
from supervisor.core.steps import Step, StepState

RUNNING, DONE, SKIPPED = StepState.RUNNING, StepState.DONE, StepState.SKIPPED
STEPS_OF: dict[type[fx.Effect], Step] = {
    fx.CheckEdge: Step.CHECK_EDGE,
    fx.Admit: Step.ADMIT,
    fx.StartWorker: Step.START_STANDBY,
    fx.WarmUp: Step.WARM_UP,
    fx.WriteConfig: Step.WRITE_CONFIG,
    fx.TestConfig: Step.TEST_CONFIG,
    fx.SwitchRoute: Step.SWITCH_ROUTE,
    fx.VerifyRoute: Step.VERIFY_ROUTE,
    fx.Drain: Step.DRAIN,
    fx.Bake: Step.BAKE,
    fx.Tally: Step.RECORD,
}


def done(world: World) -> dict[Step, StepState]:
    return dict(steps(world.effects))


def test_the_thirteen_steps_in_order() -> None:
    """Each order, to which colour, with which limits."""
    world = first(Policy(drain_timeout_s=30, bake_s=5))
    change = Change("/m.gguf", {"model.slots": 2})
    world.deploy(change=change)
    world.play()
    t = [effect.token for effect in orders(world.effects) if not isinstance(effect, fx.StartWorker)]  # type: ignore[union-attr]

    assert orders(world.effects) == [
        fx.CheckWorker(t[0], BLUE),
        fx.CheckEdge(t[1], BLUE),
        fx.Admit(t[2], GREEN, change, base=1, number=2),
        fx.StartWorker(GREEN, "green-2", 2, background=True),
        fx.CheckWorker(t[3], GREEN),
        fx.WarmUp(t[4], GREEN, BLUE),
        fx.WriteConfig(t[5]),
        fx.TestConfig(t[6]),
        fx.SwitchRoute(t[7], GREEN),
        fx.VerifyRoute(t[8], GREEN, 2),
        fx.Drain(t[9], BLUE, 30),
        fx.Bake(t[10], GREEN, 5),
        fx.Tally(t[11], 2),
    ]
    assert len(set(t)) == len(t)


def test_everything_is_recorded_in_order() -> None:
    """The deployment, then each step's beginning and end, the worker and the route where they come, and the answer."""
    world = first()
    world.deploy()
    world.play()
    told = world.records
    others = [record for record in told if not isinstance(record, StepChanged)]
    pid = world.slot(GREEN).pid or 0

    assert others == [
        DeploymentBegan("d", 2, DeploymentKind.DEPLOY, BLUE, GREEN),
        WorkerChanged(GREEN, "green-2", 2, Phase.ABSENT, Phase.STARTING),
        WorkerBegan(GREEN, "green-2", pid, float(pid), 2),
        WorkerChanged(GREEN, "green-2", 2, Phase.STARTING, Phase.READY),
        RouteChanged(GREEN, 2, 1, 2),
        RequestEnded("d", Outcome.SUCCEEDED, "", 2, 2, GREEN),
    ]
    assert steps(world.effects) == [(step, state) for step in Step for state in (RUNNING, DONE)]
    assert told[0] is others[0]
    assert told[-1] is others[-1]


def test_each_step_is_written_before_its_effect() -> None:
    """Whoever comes after a crash knows at least what had begun."""
    world = first()
    world.deploy()
    world.play()

    for place, effect in enumerate(world.effects):
        step = STEPS_OF.get(type(effect))
        if step:
            assert (step, RUNNING) in steps(world.effects[:place])
            assert (step, DONE) not in steps(world.effects[:place])


def test_the_new_colour_is_active_once_it_is_verified() -> None:
    """Not a step earlier: until then the old one is what a crash goes back to."""
    world = first()
    world.deploy()
    world.play(to=Step.VERIFY_ROUTE)
    assert world.state.active is BLUE
    world.play(to=Step.DRAIN)
    assert (world.state.active, world.state.active_release, world.state.previous_release) == (GREEN, 2, 1)


def test_the_release_is_recorded_with_the_step_that_admitted_it() -> None:
    """And the next deployment gets the next number, though this one may still fail."""
    world = first()
    world.deploy()
    world.play(to=Step.START_STANDBY)
    (admitted,) = [r for r in world.records if isinstance(r, StepChanged) and r.step is Step.ADMIT and r.state is DONE]

    assert admitted.release == 2
    assert world.state.last_release == 2


def test_a_refused_release_does_not_use_up_its_number() -> None:
    """Numbers of releases have no holes that nobody can explain."""
    world = first()
    world.deploy()
    world.play(to=Step.ADMIT)
    world.fail()

    assert world.state.last_release == 1


def test_what_a_step_says_is_recorded_with_it() -> None:
    """The detail of the adapter goes to journal and watchers."""
    world = first()
    world.deploy()
    told = records(world.tell(ev.StepSucceeded(world.current.token, "blue is ready")))

    assert told[0] == StepChanged(2, Step.CHECK_ACTIVE, DONE, "blue is ready")


@pytest.mark.parametrize("step", [step for step in Step if step not in (Step.START_STANDBY, Step.AWAIT_READY)])
def test_what_a_step_found_is_kept_with_it(step: Step) -> None:
    """As it came, of every step that has an effect of its own to answer."""
    world = first()
    world.deploy()
    world.play(to=step)
    told = records(world.tell(ev.StepSucceeded(world.current.token, "so", 2, {"seen": 1})))

    assert next(record for record in told if isinstance(record, StepChanged)).evidence == {"seen": 1}


def test_what_a_failing_step_found_is_kept_with_it() -> None:
    """The figures of a refusal, say."""
    world = first()
    world.deploy()
    world.play(to=Step.ADMIT)
    told = records(world.tell(ev.StepFailed(world.current.token, "too big", {"short_bytes": 9})))

    assert told[0] == StepChanged(2, Step.ADMIT, StepState.FAILED, "too big", evidence={"short_bytes": 9})


@pytest.mark.parametrize(
    ("step", "said", "transient"),
    [
        (Step.CHECK_ACTIVE, False, True),  # what runs may be well again in a while, whatever is deployed
        (Step.CHECK_EDGE, False, True),
        (Step.ADMIT, True, True),
        (Step.ADMIT, False, False),
        (Step.WARM_UP, True, False),  # it was begun: nobody tries that again
    ],
)
def test_a_refusal_says_whether_its_reason_may_pass(step: Step, said: bool, transient: bool) -> None:
    """A lack of memory may, a bad model may not."""
    world = first()
    world.deploy()
    world.play(to=step)
    world.answers.clear()
    world.tell(ev.StepFailed(world.current.token, "short", transient=said))
    world.play()

    assert world.ended("d").transient is transient


def test_progress_is_shown_while_a_step_runs() -> None:
    """What an adapter reports, and what the loading standby announces."""
    world = first()
    world.deploy()
    assert world.tell(ev.StepProgressed(world.current.token, "asking")) == [
        fx.Write(StepShown(2, Step.CHECK_ACTIVE, "asking"))
    ]

    world.play(to=Step.AWAIT_READY)
    loading = ev.WorkerProgressed(world.slot(GREEN).worker_id or "", "loading 42 %")
    assert world.tell(loading) == [fx.Write(StepShown(2, Step.AWAIT_READY, "loading 42 %"))]
    assert world.slot(GREEN).progress == "loading 42 %"


def test_other_workers_progress_is_not_shown_as_the_deployments() -> None:
    """Only the standby's loading is this step's progress."""
    world = first()
    world.deploy()
    world.play(to=Step.AWAIT_READY)

    assert world.tell(ev.WorkerProgressed(world.slot(BLUE).worker_id or "", "fine")) == []


def test_readiness_is_confirmed_by_asking_once() -> None:
    """The child announces, a probe confirms; a second announcement changes nothing."""
    world = first()
    world.deploy()
    world.play(to=Step.AWAIT_READY)
    ready = world.answers.popleft()

    assert names(world.tell(ready)) == ["CheckWorker"]
    assert world.tell(ready) == []
    assert world.at(Step.AWAIT_READY)


def test_a_standby_that_is_ready_before_its_step_is_not_waited_for() -> None:
    """The announcement may overtake the news of the process."""
    world = first()
    world.deploy()
    world.play(to=Step.START_STANDBY)
    spawned, ready = world.answers
    world.answers.clear()
    world.tell(ready)

    assert names(world.tell(spawned)) == ["CheckWorker"]


@pytest.mark.parametrize("stale", [ev.StepSucceeded(1), ev.StepFailed(1, "late"), ev.StepProgressed(1, "late")])
def test_a_late_answer_is_dropped(stale: ev.Event) -> None:
    """An answer to another effect than the awaited one decides nothing, during a deployment and after."""
    world = first()
    quiet = world.state
    assert world.tell(stale) == []
    assert world.state == quiet
    world.deploy()
    running = world.state
    assert world.tell(stale) == []
    assert world.state == running


def test_the_answer_to_an_abandoned_effect_is_dropped() -> None:
    """A step that failed is over, whatever its adapter says afterwards."""
    world = first()
    world.deploy()
    world.play(to=Step.BAKE)
    token = world.current.token
    world.fail()
    assert world.tell(ev.StepSucceeded(token)) == []
    assert world.current.undoing


def test_the_old_worker_is_kept_warm_as_the_rollback_target() -> None:
    """With keep_previous, nothing is stopped."""
    world = first(Policy(keep_previous=True))
    world.deploy()
    world.play()

    assert world.slot(BLUE).phase is Phase.READY
    assert "StopWorker" not in names(world.effects)


def test_the_old_worker_is_stopped_after_the_bake() -> None:
    """Without keep_previous; streams that outlasted the drain get as long again before they are cut."""
    world = first(Policy(keep_previous=False, stop_timeout_s=9, drain_timeout_s=70))
    old = world.slot(BLUE).worker_id or ""
    world.deploy()
    world.play(to=Step.BAKE)
    assert orders(world.tell(world.answers.popleft())) == [fx.StopWorker(old, 70)]
    assert world.at(Step.BAKE)
    world.play()

    assert world.slot(BLUE).phase is Phase.ABSENT
    assert world.ended("d").outcome is Outcome.SUCCEEDED
    assert done(world)[Step.BAKE] is DONE


def test_a_standby_with_an_older_release_makes_room_first() -> None:
    """Its port and memory are needed: it is stopped, and the new one is started once it is gone."""
    world = second()
    world.deploy()
    world.play(to=Step.START_STANDBY)
    world.effects.clear()
    old = world.slot(BLUE).worker_id
    gone = world.answers.popleft()
    assert gone == ev.WorkerEnded(old or "", 0)

    assert orders(world.tell(gone)) == [fx.StartWorker(BLUE, "blue-3", 3, background=True)]
    world.play()
    assert world.ended("d").outcome is Outcome.SUCCEEDED


def test_a_second_request_is_refused_by_name() -> None:
    """One deployment at a time, and who asks learns which one is in the way and where it is."""
    world = first()
    world.deploy()
    world.play(to=Step.WARM_UP)
    before = world.state
    effects = world.deploy("other")

    assert world.state == before
    (answer,) = records(effects)
    assert isinstance(answer, RequestEnded)
    assert (answer.request, answer.outcome, answer.deployment) == ("other", Outcome.REFUSED, None)
    assert "deployment 2 (deploy to green) is at step 6, standby warmed up" in answer.reason


# --- the first start --------------------------------------------------------------------------------------------------


def test_the_first_start_skips_what_needs_an_old_worker() -> None:
    """Nobody to ask in step 1, to drain in step 11, to watch the new one against in step 12."""
    world = booting()
    world.tell(ev.Started())
    world.play()
    skipped = {step for step, state in done(world).items() if state is SKIPPED}

    assert skipped == {Step.CHECK_ACTIVE, Step.DRAIN, Step.BAKE}
    assert (world.state.active, world.state.active_release, world.state.previous_release) == (BLUE, 1, None)
    assert names(world.effects)[:3] == ["StartEdge", "CheckEdge", "Admit"]
    assert world.ended("boot").outcome is Outcome.SUCCEEDED


def test_nothing_is_deployed_before_the_edge_runs() -> None:
    """A route to nobody's nginx could not be verified."""
    world = booting()
    assert names(world.tell(ev.Started())) == ["StartEdge"]
    assert world.state.deployment is None


def test_boot_happens_once() -> None:
    """An nginx that comes back finds the workers as they were."""
    world = first()
    world.tell(ev.EdgeEnded("killed"))
    effects = world.tell(ev.EdgeStarted(99, 1.0))

    assert names(effects) == []
    assert world.state.boot is None


def test_a_boot_that_failed_is_tried_again_with_growing_pauses() -> None:
    """Nobody may be there to ask for it; the release that was made is kept."""
    world = booting(Policy(restart_delay_s=1))
    world.tell(ev.Started())
    for pause_s in (1, 2, 4):
        world.play(to=Step.AWAIT_READY)
        world.crash(BLUE)
        world.play()
        again = world.timers(ev.BootDue)[-1]
        assert again.delay_s == pause_s
        world.tell(again.event)
    world.play()

    assert (world.state.active, world.state.active_release) == (BLUE, 1)


def test_whoever_deploys_meanwhile_is_quicker_than_the_next_boot() -> None:
    """The operator's deployment counts; the timer waits for it, and then finds it done."""
    world = booting()
    world.tell(ev.Started())
    world.play(to=Step.AWAIT_READY)
    world.crash(BLUE)
    world.play()
    again = world.timers(ev.BootDue)[-1]
    world.deploy()

    assert names(world.tell(again.event)) == []
    world.play()
    assert world.tell(again.event) == []
    assert world.ended("d").outcome is Outcome.SUCCEEDED


def test_where_whoever_deployed_meanwhile_failed_the_boot_is_tried_again() -> None:
    """Its timer found that deployment under way, and comes back."""
    world = booting(Policy(restart_delay_s=1))
    world.tell(ev.Started())
    world.play(to=Step.AWAIT_READY)
    world.crash(BLUE)
    world.play()
    world.deploy()
    world.tell(world.timers(ev.BootDue)[-1].event)
    again = world.timers(ev.BootDue)[-1]
    assert again.delay_s == 1
    world.play(to=Step.WARM_UP)
    world.fail("the gate says no")
    world.play()
    assert world.state.active is None and outlook(world.state) is Outlook.COMING

    world.tell(again.event)
    world.play()
    assert world.state.active is BLUE


@pytest.mark.parametrize("asked_by", ["boot", "watch"])
@pytest.mark.parametrize("step", [Step.ADMIT, Step.WARM_UP])
def test_a_boot_that_failed_for_a_reason_that_stays_is_not_tried_again(step: Step, asked_by: str) -> None:
    """A gate at temperature 0 gives the same answer again. Whoever asks is told that nobody comes, and it is warned."""
    world = booting()
    world.tell(ev.Started())
    if asked_by == "watch":
        world.play(to=Step.ADMIT)
        world.fail("the gate says no")
        world.play()
        world.effects.clear()
        world.deploy("watch", Change(settings={"model.slots": 2}))
    world.play(to=step)
    world.fail("the gate says no")
    world.play()

    assert world.timers(ev.BootDue) == []
    assert outlook(world.state) is Outlook.GONE
    (warned,) = [record for record in world.records if isinstance(record, Warned)]
    assert "modelsvc ctl deploy" in warned.text
    world.deploy()
    world.play()
    assert world.state.active is BLUE


def test_a_timer_of_an_earlier_boot_brings_back_nothing_that_was_given_up() -> None:
    """The watch tried an edit in the pause, and the gate refused that."""
    world = booting()
    world.tell(ev.Started())
    world.play(to=Step.ADMIT)
    world.fail("no memory", transient=True)
    world.play()
    (earlier,) = world.timers(ev.BootDue)
    world.deploy("watch", Change(settings={"model.slots": 2}))
    world.play(to=Step.WARM_UP)
    world.fail("the gate says no")
    world.play()

    assert world.tell(earlier.event) == []
    assert outlook(world.state) is Outlook.GONE


def test_boots_are_tried_again_with_pauses_up_to_some_minutes() -> None:
    """A lack of memory may last; each attempt loads a model and is on record."""
    assert [Policy().boot_pause_s(attempt) for attempt in (1, 2, 8, 12, 1000)] == [0.2, 0.4, 25.6, 300, 300]


def test_what_the_watch_on_files_tried_in_vain_is_tried_again_as_a_boot() -> None:
    """It came into the pause after a boot that failed, whose timer then finds it at work and waits."""
    world = booting()
    world.tell(ev.Started())
    world.play(to=Step.AWAIT_READY)
    world.crash(BLUE)
    world.play()
    first_timer = world.timers(ev.BootDue)[-1]
    world.deploy("watch", Change(settings={"model.slots": 2}))
    world.play(to=Step.AWAIT_READY)
    assert names(world.tell(first_timer.event)) == []
    world.crash(BLUE)
    world.play()

    again = world.timers(ev.BootDue)[-1].event
    assert isinstance(again, ev.BootDue) and again.boot.change.settings == {"model.slots": 2}
    world.tell(again)
    world.play()
    assert world.state.active is BLUE and world.state.slots[BLUE].serves


def test_the_release_that_served_before_a_restart_can_be_gone_back_to() -> None:
    """A boot with edited settings leaves it, although nothing was active when the boot began."""
    world = booting()
    world.state = replace(world.state, served_release=4, last_release=4)
    world.tell(ev.Started())
    world.play()

    assert (world.state.active_release, world.state.previous_release) == (5, 4)


def test_a_recorded_release_is_booted_on_its_colour() -> None:
    """After a reboot of the machine the same release comes back where it was."""
    world = booting(boot=Boot(GREEN, release=7))
    world.state = replace(world.state, last_release=9)
    world.tell(ev.Started())
    world.play()

    (admission,) = [effect for effect in world.effects if isinstance(effect, fx.Admit)]
    assert (admission.to_color, admission.release) == (GREEN, 7)
    assert (world.state.active, world.state.active_release, world.state.last_release) == (GREEN, 7, 9)


def test_an_adopted_edge_is_not_started_again() -> None:
    """nginx lives on over its supervisor; the boot goes ahead at once."""
    world = booting()
    world.state = replace(world.state, edge=EdgePhase.RUNNING)

    assert names(world.tell(ev.Started())) == ["CheckEdge"]


def test_adopted_worker_and_edge_leave_nothing_to_do() -> None:
    """A supervisor that finds everything running changes nothing."""
    world = first()
    assert world.tell(ev.Started()) == []


# --- to the other colour and back -------------------------------------------------------------------------------------

WHEN_WARM = {Step.CHECK_ACTIVE, Step.ADMIT, Step.START_STANDBY, Step.WARM_UP}


@pytest.mark.parametrize("kind", [DeploymentKind.ROLLBACK, DeploymentKind.SWAP])
def test_a_warm_standby_needs_no_preparation(kind: DeploymentKind) -> None:
    """It is asked whether it is ready; the active worker is not, for it may be why one goes back."""
    world = second()
    world.switch(kind)
    world.play()

    assert {step for step, state in done(world).items() if state is SKIPPED} == WHEN_WARM
    assert names(world.effects) == [
        *("CheckEdge", "CheckWorker", "WriteConfig", "TestConfig", "SwitchRoute", "VerifyRoute", "Drain", "Bake"),
        "Tally",
    ]
    assert (world.state.active, world.state.active_release, world.state.previous_release) == (BLUE, 1, 2)
    assert world.ended("s") == RequestEnded("s", Outcome.SUCCEEDED, "", 3, 1, BLUE)


def test_two_rollbacks_are_there_and_back() -> None:
    """The previous release is the one that was left."""
    world = second()
    for color in (BLUE, GREEN):
        world.switch(DeploymentKind.ROLLBACK, f"to {color}")
        settled(world)
        assert world.state.active is color


def test_a_rollback_without_a_warm_standby_is_a_full_deployment() -> None:
    """The previous release is admitted again, under its old number, and started."""
    world = second(Policy(keep_previous=False))
    world.switch(DeploymentKind.ROLLBACK)
    world.play()
    (admission,) = [effect for effect in world.effects if isinstance(effect, fx.Admit)]

    assert (admission.to_color, admission.release) == (BLUE, 1)
    assert StepState.SKIPPED not in done(world).values()
    assert (world.state.active, world.state.active_release, world.state.last_release) == (BLUE, 1, 2)
    assert world.ended("s").outcome is Outcome.SUCCEEDED


def test_a_rollback_does_not_take_a_standby_with_another_release() -> None:
    """Warm is not enough: it must be the release that served before."""
    world = second()
    world.state = world.state.with_slot(BLUE, release=9)
    world.switch(DeploymentKind.ROLLBACK)
    world.play()

    assert world.state.active_release == 1
    assert "Admit" in names(world.effects)


def test_swapping_between_workers_of_one_release_keeps_the_rollback_target() -> None:
    """The previous release is the last different one: a rollback to what runs already would be none."""
    world = second()
    world.state = world.state.with_slot(BLUE, release=2)
    world.switch(DeploymentKind.SWAP)
    world.play()

    assert (world.state.active, world.state.active_release, world.state.previous_release) == (BLUE, 2, 1)


def test_a_deployment_alternates_between_the_colours() -> None:
    """The new one always comes up beside the old."""
    world = first()
    seen: list[Color | None] = []
    for number in range(4):
        world.deploy(str(number))
        settled(world)
        seen.append(world.state.active)

    assert seen == [GREEN, BLUE, GREEN, BLUE]
    assert (world.state.active_release, world.state.previous_release) == (5, 4)
