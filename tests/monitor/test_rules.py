"""Each alert fires on what it is for, keeps quiet on what looks like it, and is explained."""

import re
import shutil
from pathlib import Path

import pytest
from tests.support.real_prometheus import needs_prometheus, promtool

from supervisor.monitor.files import RULES

CASES = Path(__file__).parent / "rules" / "alerts_test.yml"
COMMITTED = "../../../config/rules"  # as the cases name the rules, for those who run promtool by hand
DOC = Path(__file__).parents[2] / "docs" / "monitoring.md"
ALERTS = (RULES / "alerts.yml").read_text()
_, *SECTIONS = re.split(r"(?=^      - alert: )", ALERTS, flags=re.MULTILINE)
NAMES = [section.split(":")[1].split()[0] for section in SECTIONS]
EACH = list(zip(NAMES, SECTIONS, strict=True))


def wrong(folder: Path, alerts: str) -> set[tuple[str, str]]:
    """Alerts whose cases fail with these rules, each with what it should have been there: firing, or quiet."""
    shutil.copy(RULES / "recording.yml", folder)
    (folder / CASES.name).write_text(CASES.read_text().replace(f"{COMMITTED}/", ""))
    (folder / "alerts.yml").write_text(alerts)
    done = promtool("test", "rules", folder / CASES.name)
    output = done.stdout + done.stderr
    found = re.findall(r"alertname: (\w+), time: \S+ *\n\s+exp:(\[\])?", output)
    assert bool(found) == bool(done.returncode), output
    return {(name, "quiet" if nothing else "firing") for name, nothing in found}


def with_expression(expression: str) -> str:
    """All alerts, with another condition."""
    spoilt, count = re.subn(
        r"(?<=^        expr: ).*?(?=^        (for|labels):)", f"{expression}\n", ALERTS, flags=re.MULTILINE | re.DOTALL
    )
    assert count == len(NAMES)
    return spoilt


@needs_prometheus
def test_every_case_passes(folder: Path) -> None:
    assert wrong(folder, ALERTS) == set()
    done = promtool("test", "rules", CASES)
    assert done.returncode == 0, done.stdout + done.stderr


@needs_prometheus
@pytest.mark.parametrize(
    ("expression", "case"), [("vector(1)", "quiet"), ("vector(1) > 2", "firing")], ids=["always", "never"]
)
def test_every_alert_has_a_case_to_fire_and_one_to_be_quiet(folder: Path, expression: str, case: str) -> None:
    """Those that fire always, or never, pass no case of the one kind."""
    assert {(name, case) for name in NAMES} <= wrong(folder, with_expression(expression))


@pytest.mark.parametrize(("name", "section"), EACH, ids=NAMES)
def test_an_alert_says_how_bad_it_is_and_what_to_do(name: str, section: str) -> None:
    """Whoever gets it may never have seen this program."""
    assert re.search(r"labels: {severity: (warning|critical)}", section)
    assert re.search(r'^          summary: ".+"$', section, re.MULTILINE)
    assert re.search(r'^          action: ".*`modelsvc .+"$|model\.context_tokens', section, re.MULTILINE)


def test_the_documented_alerts_are_the_rules() -> None:
    """In the same order; who adds one explains it."""
    assert re.findall(r"^\| `(Modelsvc\w+)` \| .{20,} \| .{10,} \|$", DOC.read_text(), re.MULTILINE) == NAMES


@pytest.mark.parametrize(("name", "section"), EACH, ids=NAMES)
def test_the_documented_time_is_the_rules(name: str, section: str) -> None:
    """How long something lasts before somebody is told."""
    (row,) = re.findall(rf"^\| `{name}` \| (.*?) \|", DOC.read_text(), re.MULTILINE)
    found = re.search(r"^        for: (\d+)(m|s)$", section, re.MULTILINE)
    if found:
        count, unit = found.groups()
        words = {"s": f"for {count} s ", "m": "for a minute " if count == "1" else f"for {count} minutes "}
        assert row.startswith(words[unit]), row
    else:
        assert not row.startswith("for ")
