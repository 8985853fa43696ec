"""The live view's frames, as terminals of several sizes show them."""

import re

import pytest
from tests.cli import samples
from tests.cli.screen import frames
from tests.cli.scripted import Script

from modelsvc.cli.ctl.live import latest
from supervisor.core.steps import TITLES
from supervisor.protocol import Accepted, StepState, StreamEvent

DEPLOY = "POST /v1/deployments"
TALL, LOW = (80, 24), (80, 10)
WIDE_DETAIL = "needs about 65 MB of 8,000 MB beside 1,234 MB in use; the disk has 98,765 MB free"
LOADING: list[StreamEvent] = [
    samples.ACCEPTED,
    *samples.walk(2),
    samples.changed(3, StepState.DONE, 0.4, WIDE_DETAIL),
    samples.changed(4, StepState.DONE, 0.2),
    samples.changed(5, StepState.RUNNING),
    samples.LOADING,
]


def while_loading(daemon: Script, columns: int, rows: int) -> list[str]:
    """The last frame before the watcher's patience ends, the mark of the running step as @."""
    daemon.stream(DEPLOY, LOADING, hold=True)
    shown = [frame for frame in frames(columns, rows, "ctl", "deploy", "--timeout", "1") if len(frame) > 1][-2]
    return [re.sub("^[\u2800-\u28ff]", "@", line) for line in shown]


def test_every_step_is_one_line_with_its_mark(daemon: Script) -> None:
    head, *steps, bar = while_loading(daemon, *TALL)
    assert head == "deployment 4: blue -> green"
    assert [line[:4] for line in steps] == [
        *(f"✓  {number}" for number in range(1, 5)),
        "@  5",
        *(f"· {number:>2}" for number in range(6, 14)),
    ]
    assert steps[4] == "@  5 wait until it is ready    loading 42 %"
    assert steps[2].endswith("…")
    assert "4/13" in bar


def test_a_low_terminal_sees_the_running_step_the_one_before_it_and_the_bar(daemon: Script) -> None:
    head, before, running, bar = while_loading(daemon, *LOW)
    assert head == "deployment 4: blue -> green"
    assert before.startswith("✓  4 start the standby")
    assert running.endswith("loading 42 %")
    assert "4/13" in bar


def test_a_narrow_terminal_keeps_marks_and_notes(daemon: Script) -> None:
    _, *steps, _ = while_loading(daemon, 36, 24)
    assert len(steps) == 13
    assert steps[4] == "@  5 wait until it is … loading 42 %"


def test_waiting_for_the_daemon_is_a_spinner_and_a_line(daemon: Script) -> None:
    daemon.stream(DEPLOY, [], hold=True)
    first = frames(*TALL, "ctl", "deploy", "--timeout", "0.5")[0]
    assert [line[2:] for line in first] == ["asking the daemon"]


@pytest.mark.parametrize("size", [TALL, LOW], ids=["tall", "low"])
def test_the_last_frame_has_every_step_and_whole_notes(daemon: Script, size: tuple[int, int]) -> None:
    """It stays in the scrollback, as the record of what happened."""
    failed = samples.changed(13, StepState.FAILED, 0.1, WIDE_DETAIL)
    daemon.stream(DEPLOY, [samples.ACCEPTED, *samples.walk(12), failed, samples.ROLLED_BACK])
    text = " ".join(" ".join(frames(*size, "ctl", "deploy")[-1]).split())
    assert "✓ 12 bake 0.2 s ✗ 13 record 0.1 s needs about 65 MB" in text
    assert "98,765 MB free" in text
    assert "13/13" in text


def test_the_steps_of_the_service_fit_a_terminal_of_80_columns(daemon: Script) -> None:
    steps = [samples.step(step.value) for step in TITLES]
    titled = [
        type(step)(number=step.number, name=step.name, title=title, state=step.state)
        for step, title in zip(steps, TITLES.values(), strict=True)
    ]
    accepted = Accepted(
        deployment=4, kind=samples.ACCEPTED.kind, from_color=None, to_color=samples.ACCEPTED.to_color, steps=titled
    )
    daemon.stream(DEPLOY, [accepted], hold=True)
    shown = [frame for frame in frames(*TALL, "ctl", "deploy", "--timeout", "1") if len(frame) > 1][-2]
    assert [line.partition("·")[2][4:] for line in shown[1:-1]] == list(TITLES.values())


def test_steps_skipped_ahead_of_the_running_one_are_not_the_one_before_it() -> None:
    """A rollback skips steps 3 to 6 from the start."""
    skipped = [samples.step(number, StepState.SKIPPED) for number in range(3, 7)]
    one, two = samples.step(1, StepState.DONE), samples.step(2, StepState.RUNNING)
    assert latest([one, two, *skipped]) == [one, two]
    assert latest([samples.step(1, StepState.RUNNING), samples.step(2), *skipped]) == [
        samples.step(1, StepState.RUNNING)
    ]
    assert latest([one, samples.step(2)]) == [one]
