"""`modelsvc ctl events`: what it prints, how it goes on when the daemon is started anew, and how it ends."""

import json
import signal
import subprocess
from collections.abc import Sequence

import pytest
from tests.cli.conftest import Run
from tests.cli.screen import COMMAND
from tests.cli.scripted import Answer, Script

from modelsvc.cli.ctl import events
from modelsvc.cli.ctl.happening import happening_line
from supervisor.protocol import Color, DeploymentKind, ExitCode, Outcome, StepState, encode
from supervisor.protocol import happenings as hp

BLUE, GREEN = Color.BLUE, Color.GREEN
AT = "2031-05-04T11:00:00.000Z"
STAMP = {"id": 7, "at": AT}
TABLE = "needs too much\nrow  1\nrow  2"  # as step 3 says it

LINES: list[tuple[hp.Happening, str]] = [
    (
        hp.DeploymentBegan(id=7, at=AT, deployment=4, kind=DeploymentKind.DEPLOY, from_color=BLUE, to_color=GREEN),
        "deployment 4: deploy blue -> green",
    ),
    (
        hp.DeploymentBegan(
            id=7, at=AT, deployment=4, kind=DeploymentKind.SWAP, from_color=None, to_color=GREEN, resumed=True
        ),
        "deployment 4: swap green, taken up again",
    ),
    (
        hp.StepUpdated(
            id=7,
            at=AT,
            deployment=4,
            number=3,
            name="admit",
            title="admitted",
            state=StepState.FAILED,
            seconds=0.25,
            detail=TABLE,
        ),
        f" 3/13  failed   {'admitted':<44}     0.2 s  needs too much",
    ),
    (hp.StepProgressed(id=7, at=AT, deployment=4, number=5, text="loading 4 %"), " 5/13           loading 4 %"),
    (
        hp.DeploymentEnded(
            id=7,
            at=AT,
            deployment=4,
            kind=DeploymentKind.DEPLOY,
            outcome=Outcome.ROLLED_BACK,
            reason=TABLE,
            release=6,
            seconds=65.0,
            active=BLUE,
        ),
        "deployment 4 rolled back: needs too much (release 6); blue is active, 1 min 05 s",
    ),
    (
        hp.DeploymentEnded(
            id=7,
            at=AT,
            deployment=4,
            kind=None,
            outcome=Outcome.SUCCEEDED,
            reason="",
            release=None,
            seconds=None,
            active=None,
        ),
        "deployment 4 succeeded; nobody is active",
    ),
    (hp.OperationEnded(id=7, at=AT, outcome=Outcome.REFUSED, reason="busy"), "operation refused: busy"),
    (hp.RouteChanged(id=7, at=AT, active=GREEN, release=7, previous_release=6), "route: green is active (release 7)"),
    (
        hp.WorkerChanged(id=7, at=AT, color=BLUE, worker_id="blue-1", release=6, previous="ready", state="backoff"),
        "worker blue: ready -> backoff (release 6)",
    ),
    (
        hp.WorkerCrashed(
            id=7, at=AT, color=BLUE, worker_id="blue-1", code=None, signal="SIGKILL", reason="it was killed"
        ),
        "worker blue crashed: it was killed",
    ),
    (hp.EdgeStarted(id=7, at=AT, pid=5), "edge: nginx started, pid 5"),
    (hp.EdgeEnded(id=7, at=AT, reason="nginx ended with code 1"), "edge: nginx ended with code 1"),
    (hp.EdgeEnded(id=7, at=AT, reason=""), "edge: nginx ended"),
    (hp.Paused(id=7, at=AT), "requests are held"),
    (hp.Resumed(id=7, at=AT), "requests pass again"),
    (hp.Prewarmed(id=7, at=AT, release=7), "release 7 is prewarmed"),
    (hp.Prewarmed(id=7, at=AT, release=None), "nothing is prewarmed"),
    (
        hp.BakeBreached(id=7, at=AT, deployment=4, color=GREEN, kind="stall", reason="it hangs"),
        "deployment 4: green is not as good (stall): it hangs",
    ),
    (hp.Warned(id=7, at=AT, text="watch out"), "warning: watch out"),
    (hp.WatchDecided(id=7, at=AT, verdict="in_accord"), "watch: what serves is what the files say"),
    (
        hp.WatchDecided(id=7, at=AT, verdict="asks", changes=["model.slots 4 -> 2", "modelsvc 1 -> 2"]),
        "watch: deploys model.slots 4 -> 2; modelsvc 1 -> 2",
    ),
    (
        hp.WatchDecided(id=7, at=AT, verdict="waits", changes=["model.slots 4 -> 2"], reason="busy"),
        "watch: does not deploy model.slots 4 -> 2: busy",
    ),
    (
        hp.WatchDecided(id=7, at=AT, verdict="rejected", reason="c.toml has 1 problem(s):\n  model.slots: wrong"),
        "watch: nothing is changed, for c.toml has 1 problem(s): model.slots: wrong",
    ),
    (
        hp.HookFailed(id=7, at=AT, hook=1, command="/x", hook_event="warned", hook_event_id=6, reason="code 1"),
        "hook 1 (/x) at warned: code 1",
    ),
    (hp.MonitorChanged(id=7, at=AT, state="running"), "monitor: Prometheus is running"),
    (hp.EventsMissed(id=7, at=AT, count=3), "3 event(s) are missing here: they are not kept any more"),
    (hp.EventsMissed(id=7, at=AT, count=None), "events may be missing here: the supervisor was started anew"),
]


@pytest.mark.parametrize(("happening", "line"), LINES, ids=[hp.name_of(happening) for happening, _ in LINES])
def test_each_event_is_one_line(happening: hp.Happening, line: str) -> None:
    """With its time."""
    assert happening_line(happening) == f"{AT}  {line}"


def test_no_event_is_forgotten() -> None:
    """The table above has them all."""
    assert {hp.name_of(happening) for happening, _ in LINES} == set(hp.NAMES)


# --- following --------------------------------------------------------------------------------------------------------


def warned(number: int) -> hp.Happening:
    return hp.Warned(id=number, at=AT, text=f"w{number}")


def paused(number: int) -> hp.Happening:
    return hp.Paused(id=number, at=AT)


def missed(number: int) -> hp.Happening:
    return hp.EventsMissed(id=number, at=AT, count=None)


def stream(place: int, *told: hp.Happening, **how: bool) -> Answer:
    """As the daemon sends it, with a heartbeat in between."""
    frames = [f"id: {each.id}\nevent: {hp.name_of(each)}\ndata: ".encode() + encode(each) + b"\n\n" for each in told]
    return Answer([b"id: %d\n\n" % place, b":\n\n", *frames], content_type="text/event-stream", **how)


def texts(out: str) -> list[str]:
    return [line.removeprefix(f"{AT}  warning: ") for line in out.splitlines()]


def test_events_are_printed_as_they_come(daemon: Script, run: Run) -> None:
    """As lines, or as JSON as it was sent."""
    daemon.answers["GET /v1/events"] = stream(4, warned(5), paused(6))
    assert run("ctl", "events", "--count", "2").stdout == f"{AT}  warning: w5\n{AT}  requests are held\n"
    lines = run("ctl", "events", "--count", "2", "--json").stdout.splitlines()
    assert lines == [encode(warned(5)).decode(), encode(paused(6)).decode()]


def test_only_what_was_asked_for(daemon: Script, run: Run) -> None:
    """But that some are missing is always said, and does not count."""
    daemon.answers["GET /v1/events?after=3"] = stream(3, missed(4), paused(5), warned(6), paused(7), warned(8))
    result = run("ctl", "events", "--after", "3", "--event", "warned", "--event", "edge_ended", "--count", "2")
    assert result.exit_code == ExitCode.DONE
    assert texts(result.stdout)[1:] == ["w6", "w8"]
    assert "events may be missing here" in result.stdout.splitlines()[0]


@pytest.mark.parametrize("how", [{}, {"chunked": True, "cut": True}], ids=["ended", "cut"])
@pytest.mark.parametrize("first", [[], [warned(8), warned(9)]], ids=["silent before", "told before"])
def test_it_goes_on_where_it_was_when_the_daemon_comes_back(
    daemon: Script, run: Run, how: dict[str, bool], first: Sequence[hp.Happening]
) -> None:
    """And tells people about it, not the programs that read its output."""
    daemon.answers["GET /v1/events"] = stream(7, *first, **how)
    daemon.answers[f"GET /v1/events?after={7 + len(first)}"] = stream(0, missed(10), warned(11))
    result = run("ctl", "events", "--count", str(len(first) + 1), "--json")
    assert [json.loads(line)["id"] for line in result.stdout.splitlines()] == [each.id for each in first] + [10, 11]
    assert result.stderr.splitlines() == [
        "modelsvc: the daemon went away: waiting for it to come back",
        "modelsvc: the daemon is back",
    ]


def test_it_waits_for_a_daemon_that_is_being_started_anew(
    daemon: Script, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often nobody answers, or somebody who hangs up at once."""
    waits: list[float] = []

    def start_it_at_last(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            daemon.answers["GET /v1/events?after=7"] = stream(7, warned(8))

    monkeypatch.setattr("time.sleep", start_it_at_last)
    daemon.answers["GET /v1/events"] = stream(7)
    daemon.answers["GET /v1/events?after=7"] = Answer([], hang_up=True)
    assert texts(run("ctl", "events", "--count", "1").stdout) == ["w8"]
    assert waits == [events.AGAIN_S] * 3


def test_a_daemon_that_is_not_there_at_first_is_exit_3(run: Run) -> None:
    """It would wait for nothing, most likely: a wrong socket."""
    result = run("ctl", "events", "--json")
    assert result.exit_code == ExitCode.UNREACHABLE
    assert json.loads(result.stdout)["error"]["code"] == "unreachable"


def test_an_event_of_another_version_is_an_error(daemon: Script, run: Run) -> None:
    """Rather than left out."""
    frame = b'id: 5\ndata: {"event":"boom","id":5,"at":"x"}\n\n'
    daemon.answers["GET /v1/events"] = Answer([frame], content_type="text/event-stream")
    result = run("ctl", "events")
    assert result.exit_code == ExitCode.FAILED
    assert "boom" in result.stderr and "same version" in result.stderr


def test_an_error_of_the_daemon_is_told(daemon: Script, run: Run) -> None:
    """One that has no events yet, say."""
    daemon.refuse("GET /v1/events", "not_found", "GET /v1/events: Not Found", 404)
    result = run("ctl", "events")
    assert (result.exit_code, result.stderr) == (ExitCode.MISUSE, "modelsvc: GET /v1/events: Not Found\n")


# --- at the other end of a pipe ---------------------------------------------------------------------------------------


def test_a_reader_gets_each_line_at_once_and_ctrl_c_ends_it(daemon: Script) -> None:
    """While the command goes on; as it ends whatever waits: 130, and no traceback."""
    daemon.answers["GET /v1/events"] = stream(0, warned(1), hold=True)
    pipe = subprocess.PIPE
    with subprocess.Popen([*COMMAND, "ctl", "events"], stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == f"{AT}  warning: w1\n"
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert (process.returncode, err.strip()) == (130, "")


def test_a_reader_who_leaves_ends_it(daemon: Script) -> None:
    """As `| head -1` does; without a traceback."""
    daemon.answers["GET /v1/events"] = stream(0, *map(warned, range(1, 5000)), hold=True)
    pipe = subprocess.PIPE
    with subprocess.Popen([*COMMAND, "ctl", "events"], stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline() == f"{AT}  warning: w1\n"
        process.stdout.close()
        assert process.wait(60) != 0
        assert "Traceback" not in process.stderr.read()
