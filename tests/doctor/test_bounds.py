"""The doctor ends in time, whatever hangs: as a process, for it is the interpreter's end that waits for threads."""

import json
import signal
import subprocess
import sys

import pytest
from disposable.processes import is_alive
from disposable.waiting import until

from supervisor.protocol import ExitCode

DEADLINE_S = 60  # of a process that would never end
HANGING = """
import asyncio, subprocess, sys, threading
from modelsvc.cli import doctor
from modelsvc.cli.tree import cli
from modelsvc.doctor import examination
from modelsvc.doctor.findings import found

def hang():
    print("hangs", file=sys.stderr, flush=True)
    threading.Event().wait()

def in_a_pool(_):
    yield found("swap_ok", "no swap")
    asyncio.run(asyncio.to_thread(hang))

def asking(_):
    asked = subprocess.Popen(["sleep", "600"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    yield found("swap_ok", str(asked.pid))
    asked.wait()

def alone(*_):
    hang()
"""
CHECKS_HANG = "doctor.CHECKS = (examination.Check('hung', in_a_pool), examination.Check('other', alone))"


def process(setting: str, *arguments: str) -> "subprocess.Popen[str]":
    program = f"{HANGING}\n{setting}\ncli(['doctor', *{arguments!r}])"
    return subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ended(running: "subprocess.Popen[str]") -> tuple[int, str, str]:
    with running:
        try:
            out, err = running.communicate(timeout=DEADLINE_S)
        finally:
            running.kill()
    return running.returncode, out, err


def test_a_check_that_hangs_does_not_keep_the_process() -> None:
    """Also in a thread pool, as files are hashed; all that was found is told."""
    code, out, _ = ended(process(f"examination.PATIENCE_S = 0.3; {CHECKS_HANG}", "--json"))
    areas = {area["area"]: [finding["code"] for finding in area["findings"]] for area in json.loads(out)["areas"]}
    assert (code, areas) == (1, {"hung": ["swap_ok", "check_timed_out"], "other": ["check_timed_out"]})


def test_whom_a_check_asked_in_vain_is_not_left_behind() -> None:
    setting = "examination.PATIENCE_S = 0.5; doctor.CHECKS = (examination.Check('asking', asking),)"
    _, out, _ = ended(process(setting, "--json"))
    first, last = json.loads(out)["areas"][0]["findings"]
    assert last["code"] == "check_timed_out"
    until(lambda: not is_alive(int(first["seen"])), "it has ended", 10)


def test_ctrl_c_does_not_wait_either() -> None:
    running = process(CHECKS_HANG)
    assert running.stderr is not None
    assert [running.stderr.readline() for _ in range(2)] == ["hangs\n"] * 2
    running.send_signal(signal.SIGINT)
    code, out, err = ended(running)
    assert (code, out, err.strip()) == (130, "", "")


@pytest.mark.parametrize("as_json", [(), ("--json",)])
def test_a_configuration_that_hangs(as_json: tuple[str, ...]) -> None:
    """As on a network folder that is away: before any check there is one line."""
    code, out, err = ended(process("doctor.SURVEY_S = 0.3; doctor.survey = alone", *as_json))
    assert code == ExitCode.TIMED_OUT and err.startswith("hangs\nmodelsvc: the configuration could not be looked for")
    assert [json.loads(line)["error"]["code"] for line in out.splitlines()] == ["timed_out"] * len(as_json)


def test_what_was_wrong_with_looking_is_told() -> None:
    """It is no hang, whatever it was."""
    code, _, err = ended(process("doctor.survey = lambda *_: [][0]"))
    assert code == 1 and "IndexError" in err and "could not be looked for" not in err
