"""What a person in front of `modelsvc up` gets to see."""

import pytest

from supervisor.console import Console, say
from supervisor.core import records as rec
from supervisor.core.records import Record
from supervisor.core.state import Color, DeploymentKind, Outcome
from supervisor.core.steps import Step, StepState

BLUE, GREEN = Color.BLUE, Color.GREEN
TOLD = [
    (rec.RequestEnded("r", Outcome.SUCCEEDED, "", 3, 7, GREEN), "deployment 3 succeeded, release 7; green serves"),
    (rec.RequestEnded("r", Outcome.ROLLED_BACK, "not ready", 3, 7, BLUE), "deployment 3 rolled back: not ready"),
    (rec.RequestEnded("r", Outcome.REFUSED, "no room", 3), "deployment 3 refused: no room"),
    (rec.RequestEnded("r", Outcome.FAILED, "shut down", 3), "deployment 3 failed: shut down"),
    (rec.WorkerGone(BLUE, "blue-1", -9, False, "the blue worker was killed by signal 9"), "killed by signal 9"),
    (rec.EdgeChanged(None, reason="nginx ended with code 1"), "edge: nginx ended with code 1"),
    (rec.WatchDecided("asks", ("model.slots 4 -> 2",)), "watch: deploying model.slots 4 -> 2"),
    (rec.WatchDecided("waits", ("model.slots 4 -> 2",), "busy"), "watch: does not deploy model.slots 4 -> 2: busy"),
    (rec.WatchDecided("rejected", (), "m.gguf is gone"), "watch: nothing is changed, for m.gguf is gone"),
]
UNTOLD = [
    rec.RequestEnded("r", Outcome.SUCCEEDED),
    rec.RequestEnded("r", Outcome.REFUSED, "busy"),
    rec.WorkerGone(BLUE, "blue-1", 0, True),
    rec.WorkerBegan(BLUE, "blue-1", 1, 1.0, 1),
    rec.EdgeChanged(5, 1.0),
    rec.DeploymentBegan("r", 1, DeploymentKind.DEPLOY, None, BLUE),
    rec.StepChanged(1, Step.ADMIT, StepState.DONE, "fits"),
    rec.StepShown(1, Step.ADMIT, "..."),
    rec.RouteChanged(BLUE, 1, None),
    rec.WatchDecided("in_accord"),
]


@pytest.mark.parametrize(("record", "text"), TOLD)
def test_outcomes_and_unexpected_ends_are_told(record: Record, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """One line each, on stderr: stdout belongs to nobody."""
    Console().publish(record)
    out, err = capsys.readouterr()

    assert out == ""
    assert err.startswith("modelsvc: ")
    assert err.endswith(f"{text}\n")
    assert err.count("\n") == 1


@pytest.mark.parametrize("record", UNTOLD, ids=lambda record: type(record).__name__)
def test_the_rest_is_for_the_log(record: Record, capsys: pytest.CaptureFixture[str]) -> None:
    """What goes as it should needs no line."""
    Console().publish(record)
    assert capsys.readouterr() == ("", "")


def test_a_line_says_who_speaks(capsys: pytest.CaptureFixture[str]) -> None:
    """Beside the output of other programs in the same terminal."""
    say("up")
    assert capsys.readouterr().err == "modelsvc: up\n"
