"""Checks stand for themselves: one that crashes or hangs is a finding, and the others are told."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from modelsvc.doctor import nginx
from modelsvc.doctor.checks import CHECKS
from modelsvc.doctor.examination import Check, examine
from modelsvc.doctor.findings import Finding, found
from modelsvc.doctor.situation import Situation
from supervisor.config import Config, EdgeSection
from supervisor.nginx import command
from supervisor.paths import StatePaths

HERE = Situation(StatePaths(Path("/nowhere")))


def sound(_: Situation) -> Iterator[Finding]:
    yield found("swap_ok", "no swap")


def crashing(_: Situation) -> Iterator[Finding]:
    yield found("swap_ok", "no swap")
    raise ZeroDivisionError("the figure was 0")


def test_a_check_that_crashes_is_a_finding() -> None:
    """What it found before counts, and the next check is not concerned."""
    report = examine(HERE, (Check("broken", crashing), Check("sound", sound)))
    broken, after = report.areas
    assert [finding.code for finding in broken.findings] == ["swap_ok", "check_crashed"]
    assert "broken ended by ZeroDivisionError: the figure was 0" in broken.findings[1].seen
    assert "test_examination.py:" in broken.findings[1].seen
    assert [finding.code for finding in after.findings] == ["swap_ok"]
    assert (report.failures, report.warnings) == (1, 0)


def test_a_check_that_hangs_is_left_behind() -> None:
    """Nobody waits for it longer than its time, whatever the others take."""
    forever = threading.Event()

    def hanging(_: Situation) -> Iterator[Finding]:
        yield found("swap_ok", "no swap")
        forever.wait()

    began = time.monotonic()
    report = examine(HERE, (Check("hung", hanging), Check("sound", sound)), patience_s=0.2)
    forever.set()
    assert time.monotonic() - began < 5
    assert [finding.code for finding in report.areas[0].findings] == ["swap_ok", "check_timed_out"]
    assert "hung was not done after 0.2 s" in report.areas[0].findings[1].seen
    assert (report.failures, len(report.areas[1].findings)) == (1, 1)


def test_checks_run_beside_each_other() -> None:
    """Each waits here for the other, which would never come in a row."""
    both = threading.Barrier(2)

    def meeting(_: Situation) -> Iterator[Finding]:
        both.wait(timeout=20)
        yield found("swap_ok", "no swap")

    assert examine(HERE, (Check("one", meeting), Check("other", meeting))).failures == 0


def test_an_unknown_code_cannot_be_told() -> None:
    with pytest.raises(KeyError):
        found("no_such_code", "")


def test_every_area_is_checked_once() -> None:
    assert len({check.area for check in CHECKS}) == len({check.look for check in CHECKS}) == len(CHECKS)


@pytest.mark.parametrize("script", ["exec sleep 600", "sleep 600"], ids=["itself", "in a child of its own"])
def test_an_nginx_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """It is given its time, and ended, with what it started."""
    program = tmp_path / "nginx"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o700)
    monkeypatch.setattr(command, "TIMEOUT_S", 0.3)
    situation = Situation(HERE.paths, config=Config(edge=EdgeSection(nginx=str(program))))
    (finding,) = nginx.check(situation)
    assert finding.code == "nginx_unusable" and "did not answer" in finding.seen
