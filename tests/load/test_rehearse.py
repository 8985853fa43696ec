"""Rehearsals on a running service: what they do, what they take for wrong, and that keys are used."""

import subprocess
import sys
from collections.abc import Iterator
from types import MappingProxyType
from typing import Any

import pytest
from loadtest import rehearse
from loadtest.rehearse import Step, parse, problem, steps
from loadtest.rig.values import Operation
from loadtest.traffic import Failure, Report
from msgspec.structs import replace
from tests.cli.samples import STATUS
from tests.support.service_fixture import ROOT, Ran, Service, service_folder

from modelsvc import keyfile
from modelsvc.cli.edge import KEY_ENV
from supervisor.protocol import Color, ExitCode

BLUE, GREEN = Color.BLUE, Color.GREEN


def operation(outcome: str = "succeeded", code: int = 0, reason: str = "") -> Operation:
    return Operation("modelsvc ctl swap", "swap", 0.0, 1.0, code, outcome, reason, ())


def report(**changed: Any) -> Report:
    usual: dict[str, Any] = {
        **dict.fromkeys(("failed", "streams", "cut", "plain_failed", "refused"), 0),
        **dict.fromkeys(("slowest_s", "p50_s", "p95_s", "seconds"), 1.0),
        "sent": 10,
        "by_color": MappingProxyType({}),
        "cut_by_color": MappingProxyType({}),
        "failures": (),
    }
    return Report(**usual | changed)


def test_swaps_go_there_and_back() -> None:
    """After the other colour was started."""
    words = [step.words for step in steps("swaps", BLUE, 3, ())]
    assert words == [("start", GREEN), ("swap", GREEN), ("swap", BLUE), ("swap", GREEN)]


def test_a_change_is_deployed_and_prewarmed() -> None:
    """Wherever something new is made."""
    words = [step.words for step in steps("full-cycle", BLUE, 4, ("--set", "model.slots=2"))]
    assert words == [
        ("deploy", "--set", "model.slots=2"),
        ("rollback",),
        ("prewarm", "--set", "model.slots=2"),
        ("deploy", "--fast"),
    ]


@pytest.mark.parametrize(
    ("words", "dwell", "change"),
    [
        (("swaps",), 1.0, []),
        (("deploy", "--dwell", "0.2", "--"), 0.2, []),
        (("deploy", "--", "--set", "model.slots=2", "--in-place"), 1.0, ["--set", "model.slots=2", "--in-place"]),
        (("full-cycle", "--clients", "2", "--", "--model", "m.gguf"), 1.0, ["--model", "m.gguf"]),
    ],
)
def test_what_follows_two_dashes_is_the_change(words: tuple[str, ...], dwell: float, change: list[str]) -> None:
    """Options of ours come before it or not at all."""
    options = parse(words)
    assert (options.dwell, options.change) == (dwell, change)


def test_a_step_must_do_what_it_is_for() -> None:
    """Each kind of wrong outcome is told; a right one is not."""
    assert STATUS.release is not None
    moved = replace(STATUS, active=GREEN)
    renewed = replace(moved, release=replace(STATUS.release, number=STATUS.release.number + 1))
    swap, deploy, prepare = Step(("swap",)), Step(("deploy",), renews=True), Step(("start",), moves=False)

    assert problem(swap, operation(), STATUS, moved) == ""
    assert problem(deploy, operation(), STATUS, renewed) == ""
    assert problem(prepare, operation(), STATUS, STATUS) == ""
    assert "blue served before, blue does now" in problem(swap, operation(), STATUS, STATUS)
    assert "green does now" in problem(prepare, operation(), STATUS, moved)
    assert "serves as before" in problem(deploy, operation(), STATUS, moved)
    assert "too big" in problem(swap, operation("refused", 4, "too big"), STATUS, STATUS)
    assert "did not finish" in problem(swap, operation("", 3), STATUS, STATUS)


def test_a_failed_request_a_problem_and_silence_all_count(capsys: pytest.CaptureFixture[str]) -> None:
    """Only when nothing at all went wrong, and somebody asked, is the exit code 0."""
    lost = Failure(1.0, "Hello", False, "HTTP 503", "")
    assert rehearse.tell(report(), []) == ExitCode.DONE
    assert rehearse.tell(report(failed=1, failures=(lost,)), []) == ExitCode.FAILED
    assert rehearse.tell(report(), ["swap: refused"]) == ExitCode.FAILED
    assert rehearse.tell(report(sent=0), []) == ExitCode.FAILED
    said = capsys.readouterr()
    assert "HTTP 503" in said.err and "swap: refused" in said.err and "1 of 10 requests failed" in said.out


@pytest.fixture(scope="module")
def keyed() -> Iterator[Service]:
    """A service that demands a key."""
    with service_folder(tables={"security": {"api_keys_file": "keys"}}) as service:
        service.environment[KEY_ENV] = keyfile.add(service.folder / "keys", "ada")
        service.up()
        yield service


def run(service: Service, *words: str, key: bool = True) -> Ran:
    env = {name: value for name, value in service.env.items() if key or name != KEY_ENV}
    done = subprocess.run(
        [sys.executable, "-m", *words], cwd=ROOT, env=env, capture_output=True, text=True, timeout=100
    )
    return Ran(done.returncode, done.stdout, done.stderr)


def test_keys_are_used(keyed: Service) -> None:
    """Of the environment; without one every request fails, and that is noticed."""
    assert run(keyed, "loadtest.inference").code == 0
    assert run(keyed, "loadtest.rehearse", "swaps", "--swaps", "1", "--dwell", "0.2").code == 0
    denied = run(keyed, "loadtest.inference", key=False)
    assert denied.code == 1 and denied.out.count("WRONG") == 5
    assert run(keyed, "loadtest.rehearse", "swaps", "--swaps", "1", "--dwell", "0.2", key=False).code == 1


def test_nothing_is_left_of_a_rehearsal(keyed: Service) -> None:
    """Its conversation was forgotten."""
    assert run(keyed, "loadtest.rehearse", "swaps", "--swaps", "1", "--dwell", "0.2").code == 0
    assert b"rehearsal-" not in keyed.state.chat_history.read_bytes()


def test_a_rehearsal_needs_a_service_that_can_be_told(keyed: Service) -> None:
    """Exit 3 where no daemon answers, although its edge does."""
    elsewhere = {**keyed.env, "MODELSVC_HOME": str(keyed.folder / "nowhere")}
    command = [sys.executable, "-m", "loadtest.rehearse", "swaps"]
    done = subprocess.run(command, cwd=ROOT, env=elsewhere, capture_output=True, text=True, timeout=60)
    assert done.returncode == ExitCode.UNREACHABLE and "no daemon answers" in done.stderr
