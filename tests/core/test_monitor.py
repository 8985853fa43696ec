"""What becomes of the managed Prometheus, without a process."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor.core.monitor import messages as msg
from supervisor.core.monitor.decide import CRASH_LIMIT, LONGEST_PAUSE_S, PAUSE_S, ROOM_PAUSE_S, Decision, decide
from supervisor.core.monitor.lifecycle import TRANSITIONS, ImpossibleTransition, Phase, Signal, advance

PROCESS = msg.Identity(7, 1.5)
OFF = msg.Monitor()


def after(monitor: msg.Monitor, *events: msg.Event) -> Decision:
    """All of them, one after the other: the last state, and the effects of the last."""
    effects: tuple[msg.Effect, ...] = ()
    for event in events:
        monitor, effects = decide(monitor, event)
    return monitor, effects


def does(effects: tuple[msg.Effect, ...]) -> list[msg.Effect]:
    """Without what is only told."""
    return [effect for effect in effects if not isinstance(effect, msg.Tell)]


STARTED = after(OFF, msg.UpAsked(), msg.Spawned(PROCESS))[0]
RUNNING = after(STARTED, msg.BecameReady())[0]
WAITING = after(RUNNING, msg.Ended("it ended"))[0]
CROWDED_OUT = after(RUNNING, msg.Crowded("full"), msg.Ended("it ended"))[0]


def given_up() -> msg.Monitor:
    monitor = RUNNING
    for _ in range(CRASH_LIMIT - 1):
        monitor, _ = after(monitor, msg.Ended("it ended"), msg.PauseOver(monitor.starts), msg.Spawned(PROCESS))
    return after(monitor, msg.Ended("it ended"))[0]


def test_who_asks_gets_it_started() -> None:
    """What is wanted is told before it is done."""
    monitor, effects = after(OFF, msg.UpAsked())

    assert (monitor.wanted, monitor.phase) == (True, Phase.STARTING)
    assert effects == (msg.Tell(monitor), msg.Start())


def test_the_first_failure_is_the_answer_to_who_asked() -> None:
    """Nobody waits for a Prometheus that cannot start: it is not tried again behind anyone's back."""
    monitor, effects = after(STARTED, msg.Ended("no such folder"))

    assert (monitor.wanted, monitor.phase, monitor.reason) == (False, Phase.OFF, "no such folder")
    assert does(effects) == []


def test_one_that_ran_is_started_again_after_growing_pauses() -> None:
    """Doubled each time, up to a limit, until it is given up."""
    monitor, pauses = RUNNING, []
    for _ in range(CRASH_LIMIT - 1):
        monitor, effects = after(monitor, msg.Ended("it ended"))
        (pause,) = does(effects)
        assert isinstance(pause, msg.After)
        pauses.append(pause.delay_s)
        monitor, effects = after(monitor, pause.event)
        assert does(effects) == [msg.Start()]
        monitor, _ = after(monitor, msg.Spawned(PROCESS), msg.BecameReady())
    monitor, effects = after(monitor, msg.Ended("it ended"))

    assert pauses == [min(LONGEST_PAUSE_S, PAUSE_S * 2**count) for count in range(CRASH_LIMIT - 1)]
    assert (monitor.phase, monitor.wanted, monitor.reason) == (Phase.FAILED, True, "it ended")
    assert does(effects) == []


def test_running_long_enough_forgives_earlier_crashes() -> None:
    """Only crashes in a row count."""
    monitor, _ = after(WAITING, msg.PauseOver(WAITING.starts), msg.Spawned(PROCESS), msg.BecameReady())
    assert monitor.crashes == 1
    assert after(monitor, msg.RanLong(monitor.starts))[0].crashes == 0


@pytest.mark.parametrize("late", [msg.RanLong(0), msg.PauseOver(0)], ids=repr)
@pytest.mark.parametrize("monitor", [OFF, RUNNING, WAITING], ids=lambda monitor: monitor.phase)
def test_a_late_timer_decides_nothing(monitor: msg.Monitor, late: msg.Event) -> None:
    """It was set for a start of before."""
    assert after(monitor, late) == (monitor, ())


def test_who_asks_again_gets_one_that_was_given_up() -> None:
    """With a clean record."""
    monitor, effects = after(given_up(), msg.UpAsked())

    assert (monitor.phase, monitor.crashes, does(effects)) == (Phase.STARTING, 0, [msg.Start()])


def test_one_that_runs_is_stopped_and_stays_down() -> None:
    """Its end is expected, and no reason for another start."""
    stopping, effects = after(RUNNING, msg.DownAsked())
    off, then = after(stopping, msg.Ended("it ended with code 0"))

    assert (stopping.phase, does(effects)) == (Phase.STOPPING, [msg.Stop()])
    assert (off.phase, off.wanted, off.reason, does(then)) == (Phase.OFF, False, "", [])


def test_one_that_is_not_spawned_yet_is_stopped_when_it_is() -> None:
    """`down` may come between the decision to start and the process."""
    stopping, early = after(OFF, msg.UpAsked(), msg.DownAsked())
    spawned, effects = after(stopping, msg.Spawned(PROCESS))

    assert (does(early), does(effects)) == ([], [msg.Stop()])
    assert after(spawned, msg.Ended("it ended"))[0].phase is Phase.OFF


@pytest.mark.parametrize("monitor", [WAITING, given_up()], ids=lambda monitor: monitor.phase)
def test_one_that_waits_or_was_given_up_needs_no_stop(monitor: msg.Monitor) -> None:
    """There is no process."""
    off, effects = after(monitor, msg.DownAsked())
    assert (off.phase, off.wanted, does(effects)) == (Phase.OFF, False, [])


def test_asked_for_while_it_is_being_stopped_it_comes_back() -> None:
    """The latest word counts."""
    again, _ = after(RUNNING, msg.DownAsked(), msg.UpAsked())
    waiting, effects = after(again, msg.Ended("it ended"))

    assert (waiting.phase, does(effects)) == (Phase.WAITING, [msg.After(0.0, msg.PauseOver(waiting.starts))])
    assert does(after(waiting, msg.PauseOver(waiting.starts))[1]) == [msg.Start()]


def test_one_that_is_in_the_way_is_stopped_and_tried_again_later() -> None:
    """Its memory is the service's; that is no crash."""
    stopping, effects = after(RUNNING, msg.Crowded("a deployment needs it"))
    waiting, then = after(stopping, msg.Ended("it ended"))

    assert does(effects) == [msg.Stop()]
    assert (waiting.phase, waiting.crashes, waiting.wanted) == (Phase.WAITING, 0, True)
    assert waiting.reason == "a deployment needs it"
    assert does(then) == [msg.After(ROOM_PAUSE_S, msg.PauseOver(waiting.starts))]


def test_without_room_for_a_restart_it_waits_for_room() -> None:
    """However often: it is not given up for that."""
    monitor = CROWDED_OUT
    for _ in range(2 * CRASH_LIMIT):
        monitor, effects = after(monitor, msg.PauseOver(monitor.starts), msg.Ended("no room", crowded=True))
        assert does(effects) == [msg.After(ROOM_PAUSE_S, msg.PauseOver(monitor.starts))]
    assert (monitor.phase, monitor.crashes, monitor.reason) == (Phase.WAITING, 0, "no room")


def test_nobody_is_crowded_out_who_does_not_run() -> None:
    """Nothing changes."""
    assert after(WAITING, msg.Crowded("full")) == (WAITING, ())


@pytest.mark.parametrize(
    ("found", "effect"), [(PROCESS, msg.Follow(PROCESS)), (None, msg.Start())], ids=["lives", "is gone"]
)
def test_what_an_earlier_supervisor_wanted_is_wanted(found: msg.Identity | None, effect: msg.Effect) -> None:
    """Its process is followed, or another one started; nobody waits, so that its first failure is a crash."""
    monitor, effects = after(OFF, msg.Recalled(found))

    assert (monitor.wanted, monitor.process, does(effects)) == (True, found, [effect])
    assert after(monitor, msg.Ended("it ended"))[0].phase is Phase.WAITING


def test_what_cannot_happen_raises() -> None:
    """Every pair of phase and signal is in the table, or a defect."""
    missing = {(phase, signal) for phase in Phase for signal in Signal} - set(TRANSITIONS)
    for phase, signal in missing:
        with pytest.raises(ImpossibleTransition, match=f"{phase} cannot get {signal}"):
            advance(phase, signal)
    assert {phase for phase, _ in TRANSITIONS} == set(Phase)


class World:
    """What may happen to a process, whatever is asked meanwhile; `timers` are those that were set."""

    def __init__(self) -> None:
        self.monitor = OFF
        self.starting = self.alive = self.told_ready = self.told_to_end = False
        self.timers: list[msg.Event] = []

    def possible(self) -> list[msg.Event]:
        asked: list[msg.Event] = [msg.UpAsked(), msg.DownAsked(), msg.Crowded("full")]
        if self.starting:
            asked += [msg.Spawned(PROCESS), msg.Ended("cannot start"), msg.Ended("no room", crowded=True)]
        if self.alive:
            asked += [msg.Ended("it ended"), *([] if self.told_ready else [msg.BecameReady()])]
        return [*asked, *self.timers]

    def happens(self, event: msg.Event) -> None:
        match event:
            case msg.Spawned():
                self.starting, self.alive = False, True
            case msg.BecameReady():
                self.told_ready = True
            case msg.Ended():
                self.starting = self.alive = self.told_ready = self.told_to_end = False
            case msg.PauseOver() | msg.RanLong():
                self.timers.remove(event)
            case _:
                pass
        self.monitor, effects = decide(self.monitor, event)
        for effect in does(effects):
            self.done(effect)

    def done(self, effect: msg.Effect) -> None:
        match effect:
            case msg.Start():
                assert not self.starting and not self.alive, "two of them would share a data folder"
                self.starting = True
            case msg.Stop():
                assert self.alive
                self.told_to_end = True
            case msg.After():
                self.timers.append(effect.event)
            case _:
                pass

    def comes_to_rest(self) -> None:
        """Whatever is under way ends as it should."""
        for _ in range(10):
            if self.starting:
                self.happens(msg.Spawned(PROCESS))
            elif self.monitor.phase is Phase.STOPPING:
                assert self.told_to_end
                self.happens(msg.Ended("it ended"))
            elif self.alive and not self.told_ready:
                self.happens(msg.BecameReady())
            elif self.monitor.phase is Phase.WAITING:
                self.happens(next(each for each in self.timers if each == msg.PauseOver(self.monitor.starts)))


@given(choices=st.lists(st.integers(min_value=0), max_size=40), last=st.sampled_from([msg.UpAsked(), msg.DownAsked()]))
def test_in_any_order_the_latest_word_counts(choices: list[int], last: msg.Event) -> None:
    """Nothing that can happen raises or starts a second one, and in the end it is as was asked last."""
    world = World()
    for choice in choices:
        possible = world.possible()
        world.happens(possible[choice % len(possible)])
        assert world.monitor.phase is not Phase.RUNNING or world.alive
        assert bool(world.monitor.process) == world.alive
    world.happens(last)
    world.comes_to_rest()

    assert world.monitor.phase is (Phase.RUNNING if isinstance(last, msg.UpAsked) else Phase.OFF)
    assert world.alive is isinstance(last, msg.UpAsked)
